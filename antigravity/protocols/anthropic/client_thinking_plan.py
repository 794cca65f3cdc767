"""How much an upstream is told to think, and what thinking forbids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Effort, Request, ThinkingConfig
from antigravity.protocols.anthropic.server_request import THINKING_FIELDS
from antigravity.protocols.losses import Losses

#: The smallest budget that the API takes.
SMALLEST_BUDGET: Final = 1024

_DEFAULT_BUDGET: Final = 12_000
_LARGEST_BUDGET: Final = 32_000
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": SMALLEST_BUDGET,
    "low": 4_096,
    "medium": _DEFAULT_BUDGET,
    "high": 24_576,
}
_ORDER: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")
_WIRE_EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")


class ThinkingPlan:
    """``field`` is the ``thinking`` of the body, ``effort`` that of ``output_config``."""

    def __init__(
        self,
        capabilities: Capabilities,
        field: dict[str, Any] | None = None,
        effort: Effort | None = None,
    ) -> None:
        self.field = field
        self.effort = effort
        self._capabilities = capabilities

    @property
    def can_stop(self) -> bool:
        """Whether the model can be kept from thinking."""
        return self._capabilities.thinking != "none" and self._capabilities.min_budget == 0

    @property
    def active(self) -> bool:
        """Whether the upstream will think."""
        return self.field is not None and self.field["type"] in ("enabled", "adaptive")

    @property
    def budgeted(self) -> bool:
        """Whether it thinks within a budget."""
        return self.field is not None and self.field["type"] == "enabled"

    def switch_off(self, reason: str, losses: Losses) -> None:
        """Don't think, for a reason.  It has to be said: some models think if nothing is."""
        losses.add("thinking", f"thinking was switched off: {reason}")
        self.stop(losses)

    def stop(self, losses: Losses) -> None:
        """Tell the model not to think, with an effort that it takes then."""
        if not self.can_stop:
            self.field = None
            return
        self.field = {"type": self._capabilities.thinking_off}
        taken = self._capabilities.efforts_off
        if self.effort is None or not taken or self.effort in taken:
            return
        nearest = _nearest(self.effort, taken)
        losses.add("thinking.effort", f"effort {self.effort} became {nearest}: it does not think")
        self.effort = nearest


def plan(request: Request, capabilities: Capabilities, losses: Losses) -> ThinkingPlan:
    """Return what a request's wish for thinking is for this model."""
    wish = request.thinking
    off = wish.mode == "off" or wish.effort == "none"
    wanted = wish.mode in ("on", "adaptive") and not off
    match capabilities.thinking:
        case "none":
            if wanted or wish.effort not in (None, "none"):
                losses.add("thinking", "the model doesn't think")
            return ThinkingPlan(capabilities)
        case "budget":
            found = _budget(wish, capabilities, losses) if wanted else None
            effort = _effort(wish, capabilities, losses) if capabilities.efforts else None
            if not wanted and effort is None and wish.effort not in (None, "none"):
                losses.add("thinking.effort", "the model knows budgets only")
            plan = ThinkingPlan(capabilities, found, effort)
        case "level" if capabilities.family == "other":  # DeepSeek and the like
            found = _budget(wish, capabilities, losses) if wanted else None
            plan = ThinkingPlan(capabilities, found, _effort(wish, capabilities, losses))
        case _:
            field = {"type": "adaptive"} if wanted else None
            plan = ThinkingPlan(capabilities, field, _effort(wish, capabilities, losses))
    if off:
        plan.stop(losses)
        if not plan.can_stop:
            losses.add("thinking.mode", "the model can't be kept from thinking")
            plan.effort = plan.effort or _least(capabilities)
    _add_own_words(plan, request)
    return plan


def _least(capabilities: Capabilities) -> Effort | None:
    """Return the effort of those that think the least."""
    return min(capabilities.efforts, key=_ORDER.index, default=None)


def _add_own_words(plan: ThinkingPlan, request: Request) -> None:
    """Say how thinking is to be shown, and what only Anthropic's clients can say."""
    if plan.field is None:
        return
    include = request.thinking.include
    own = request.extensions.get(THINKING_FIELDS) if request.protocol == "anthropic" else None
    if plan.active and include is not None:
        plan.field["display"] = "summarized" if include else "omitted"
    if isinstance(own, dict):
        if plan.active and "display" in own:
            plan.field["display"] = own["display"]
        elif not plan.active and own.get("type") not in (None, "between_tools"):
            plan.field["type"] = own["type"]


def _budget(wish: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return thinking within a budget."""
    largest = capabilities.max_budget or _LARGEST_BUDGET
    budget = wish.budget
    if budget is None and wish.effort is not None:
        budget = _BUDGETS.get(wish.effort, largest)
    elif budget is None:
        budget = capabilities.default_budget or _DEFAULT_BUDGET
    if wish.mode == "adaptive":
        losses.add("thinking.mode", "the model knows budgets only: one was chosen")
    if capabilities.max_budget and budget > largest:
        losses.add("thinking.budget", f"the budget was cut to {largest}")
        budget = largest
    smallest = max(SMALLEST_BUDGET, capabilities.min_budget)
    if budget < smallest:
        losses.add("thinking.budget", f"the budget was raised to {smallest}")
        budget = smallest
    return {"type": "enabled", "budget_tokens": budget}


def _effort(wish: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> Effort | None:
    """Return the effort nearest to the wish that the model accepts."""
    effort = wish.effort
    if effort is None and wish.budget is not None and wish.mode == "on":
        effort = _effort_of(wish.budget)
        losses.add("thinking.budget", f"the model knows no budgets: effort {effort} was chosen")
    if effort is None or effort == "none":
        return None
    accepted = [name for name in capabilities.efforts or _WIRE_EFFORTS if name in _WIRE_EFFORTS]
    if not accepted:
        losses.add("thinking.effort", "the model knows no efforts")
        return None
    nearest = _nearest(effort, accepted)
    if nearest != effort:
        losses.add("thinking.effort", f"effort {effort} became {nearest}")
    return nearest


def _nearest(effort: Effort, accepted: Sequence[Effort]) -> Effort:
    place = _ORDER.index(effort)
    return min(accepted, key=lambda name: abs(_ORDER.index(name) - place))


def _effort_of(budget: int) -> Effort:
    if budget < 8_192:
        return "low"
    return "medium" if budget < 24_576 else "high"


def fit_budget(plan: ThinkingPlan, max_tokens: int, losses: Losses) -> None:
    """Make the budget smaller than the limit of the output, which holds the thinking too."""
    if not plan.budgeted or plan.field is None or plan.field["budget_tokens"] < max_tokens:
        return
    if max_tokens <= SMALLEST_BUDGET:
        plan.switch_off(f"max_tokens {max_tokens} leaves no room for it", losses)
        return
    budget = max(SMALLEST_BUDGET, max_tokens - SMALLEST_BUDGET)
    losses.add("thinking.budget", f"the budget was cut to {budget} to fit max_tokens")
    plan.field["budget_tokens"] = budget
