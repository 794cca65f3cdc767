"""What is decided about one request; each stage of the pipeline returns a new plan."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antigravity.exchange.attempts.retry import is_model_unavailable
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.routing.decision import Candidate, Decision

#: After which errors another model is tried: none, those of capacity, or any.
FallbackOn = Literal["", "capacity", "any"]


class Plan(Struct, frozen=True):
    """Where a request goes, and when another model takes over.

    ``losses`` are reported to the client besides what is lost in translation.
    """

    decision: Decision
    fallback_on: FallbackOn = ""
    losses: tuple[Loss, ...] = ()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The ways to serve the request, best first."""
        return self.decision.candidates

    def with_candidates(self, candidates: tuple[Candidate, ...]) -> Plan:
        """Return the plan with some of its candidates."""
        return replace(self, decision=replace(self.decision, candidates=candidates))

    def triggers_fallback(self, error: GatewayError) -> bool:
        """Return whether another model takes over after ``error``."""
        if self.fallback_on == "capacity":
            return is_model_unavailable(error)
        return self.fallback_on == "any"


def translated(decision: Decision) -> Decision:
    """Return the decision for a request that is not what the client's body holds."""
    candidates = tuple(replace(candidate, native=False) for candidate in decision.candidates)
    return replace(decision, candidates=candidates)
