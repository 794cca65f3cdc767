"""The thinking settings of a request to an upstream."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Effort, Request, ThinkingConfig
from antigravity.ir.thinking import EFFORTS, nearest_effort
from antigravity.protocols.anthropic.server_request import BLOCK_BINDING, THINKING_FIELDS
from antigravity.protocols.losses import Losses

#: The smallest budget that the API accepts.
SMALLEST_BUDGET: Final = 1024

_DEFAULT_BUDGET: Final = 12_000
_LARGEST_BUDGET: Final = 32_000
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": SMALLEST_BUDGET,
    "low": 4_096,
    "medium": _DEFAULT_BUDGET,
    "high": 24_576,
}
#: The settings of thinking that pass as they are.
_OWN_FIELDS: Final = ("display", BLOCK_BINDING)
_WIRE_EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")


class ThinkingPlan:
    """Thinking settings of one request.

    :ivar field: ``thinking`` of the body, if any.
    :ivar effort: ``effort`` of ``output_config``, if any.
    """

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
        """Whether thinking can be switched off for the model."""
        return self._capabilities.thinking != "none" and self._capabilities.min_budget == 0

    @property
    def active(self) -> bool:
        """Whether thinking is switched on."""
        return self.field is not None and self.field["type"] in ("enabled", "adaptive")

    @property
    def budgeted(self) -> bool:
        """Whether thinking has a budget."""
        return self.field is not None and self.field["type"] == "enabled"

    def switch_off(self, reason: str, losses: Losses) -> None:
        """Switch thinking off, and report the reason as a loss."""
        losses.add("thinking", f"thinking was switched off: {reason}")
        self.stop(losses)

    def stop(self, losses: Losses) -> None:
        """Switch thinking off explicitly, because some models think without the field.

        The effort becomes one that the model accepts without thinking.
        """
        if not self.can_stop:
            self.field = None
            return
        self.field = {"type": self._capabilities.thinking_off}
        accepted = self._capabilities.efforts_off
        if self.effort is None or not accepted or self.effort in accepted:
            return
        nearest = nearest_effort(self.effort, accepted)
        losses.add("thinking.effort", f"effort {self.effort} became {nearest}: thinking is off")
        self.effort = nearest


def plan_thinking(request: Request, capabilities: Capabilities, losses: Losses) -> ThinkingPlan:
    """Return the settings that the model accepts, as near as possible to the requested ones."""
    config = request.thinking
    off = config.mode == "off" or config.effort == "none"
    on = config.mode in ("on", "adaptive") and not off
    match capabilities.thinking:
        case "none":
            if on or config.effort not in (None, "none"):
                losses.add("thinking", "dropped: the model does not support thinking")
            return ThinkingPlan(capabilities)
        case "budget":
            found = _budget(config, capabilities, losses) if on else None
            effort = _effort(config, capabilities, losses) if capabilities.efforts else None
            if not on and effort is None and config.effort not in (None, "none"):
                losses.add("thinking.effort", "dropped: the model accepts only budgets")
            plan = ThinkingPlan(capabilities, found, effort)
        case "level" if capabilities.family == "other":  # DeepSeek and the like
            found = _budget(config, capabilities, losses) if on else None
            plan = ThinkingPlan(capabilities, found, _effort(config, capabilities, losses))
        case _:
            field = {"type": "adaptive"} if on else None
            plan = ThinkingPlan(capabilities, field, _effort(config, capabilities, losses))
    if off:
        plan.stop(losses)
        if not plan.can_stop:
            losses.add("thinking.mode", "dropped: thinking cannot be switched off for this model")
            plan.effort = plan.effort or _least(capabilities)
    _add_display(plan, request)
    return plan


def _least(capabilities: Capabilities) -> Effort | None:
    """Return the lowest effort that the model accepts."""
    return min(capabilities.efforts, key=EFFORTS.index, default=None)


def _add_display(plan: ThinkingPlan, request: Request) -> None:
    """Add the display of thinking, and the settings that only clients of this protocol send."""
    if plan.field is None:
        return
    include = request.thinking.include
    own = request.extensions.get(THINKING_FIELDS) if request.protocol == "anthropic" else None
    if plan.active and include is not None:
        plan.field["display"] = "summarized" if include else "omitted"
    if isinstance(own, dict):
        if plan.active:
            plan.field.update({name: own[name] for name in _OWN_FIELDS if name in own})
        elif not plan.active and own.get("type") not in (None, "between_tools"):
            plan.field["type"] = own["type"]


def _budget(config: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the ``thinking`` field with a budget that the model accepts."""
    largest = capabilities.max_budget or _LARGEST_BUDGET
    budget = config.budget
    if budget is None and config.effort is not None:
        budget = _BUDGETS.get(config.effort, largest)
    elif budget is None:
        budget = capabilities.default_budget or _DEFAULT_BUDGET
    if config.mode == "adaptive":
        losses.add("thinking.mode", "replaced by a budget: the model accepts only budgets")
    if capabilities.max_budget and budget > largest:
        losses.add("thinking.budget", f"the budget was cut to {largest}")
        budget = largest
    smallest = max(SMALLEST_BUDGET, capabilities.min_budget)
    if budget < smallest:
        losses.add("thinking.budget", f"the budget was raised to {smallest}")
        budget = smallest
    return {"type": "enabled", "budget_tokens": budget}


def _effort(config: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> Effort | None:
    """Return the accepted effort that is nearest to the requested one."""
    effort = config.effort
    if effort is None and config.budget is not None and config.mode == "on":
        effort = _effort_of(config.budget)
        detail = f"replaced by the effort {effort}: the model accepts no budgets"
        losses.add("thinking.budget", detail)
    if effort is None or effort == "none":
        return None
    accepted = [name for name in capabilities.efforts or _WIRE_EFFORTS if name in _WIRE_EFFORTS]
    if not accepted:
        losses.add("thinking.effort", "dropped: the model accepts no efforts")
        return None
    nearest = nearest_effort(effort, accepted)
    if nearest != effort:
        losses.add("thinking.effort", f"effort {effort} became {nearest}")
    return nearest


def _effort_of(budget: int) -> Effort:
    if budget < 8_192:
        return "low"
    return "medium" if budget < 24_576 else "high"


def fit_budget(plan: ThinkingPlan, max_tokens: int, losses: Losses) -> None:
    """Make the budget smaller than the limit of the output, which includes thinking."""
    if not plan.budgeted or plan.field is None or plan.field["budget_tokens"] < max_tokens:
        return
    if max_tokens <= SMALLEST_BUDGET:
        plan.switch_off(f"max_tokens {max_tokens} leaves no room for it", losses)
        return
    budget = max(SMALLEST_BUDGET, max_tokens - SMALLEST_BUDGET)
    losses.add("thinking.budget", f"the budget was cut to {budget} to fit max_tokens")
    plan.field["budget_tokens"] = budget
