"""What is decided about one request; each stage of the pipeline returns a new plan."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antigravity.exchange.attempts.retry import is_model_unavailable
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.routing.decision import RoutingDecision, RoutingOption

#: After which errors another model is tried: none, those of capacity, or any.
FallbackOn = Literal["", "capacity", "any"]


class Plan(Struct, frozen=True):
    """Where a request goes, and when another model takes over.

    ``losses`` are reported to the client besides what is lost in translation.
    """

    decision: RoutingDecision
    fallback_on: FallbackOn = ""
    losses: tuple[Loss, ...] = ()

    @property
    def options(self) -> tuple[RoutingOption, ...]:
        """The ways to serve the request, best first."""
        return self.decision.options

    def with_options(self, options: tuple[RoutingOption, ...]) -> Plan:
        """Return the plan with some of its options."""
        return replace(self, decision=replace(self.decision, options=options))

    def triggers_fallback(self, error: GatewayError) -> bool:
        """Return whether another model takes over after ``error``."""
        if self.fallback_on == "capacity":
            return is_model_unavailable(error)
        return self.fallback_on == "any"


def translated(decision: RoutingDecision) -> RoutingDecision:
    """Return the decision for a request that is not what the client's body holds."""
    options = tuple(replace(option, native=False) for option in decision.options)
    return replace(decision, options=options)
