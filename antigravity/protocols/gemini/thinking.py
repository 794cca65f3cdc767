"""The thinking of a Gemini model: a budget of tokens, or a level."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Effort, Request, ThinkingConfig
from antigravity.protocols.losses import Losses

#: The number of tokens for the answer behind the thoughts.
_ANSWER: Final = 8192
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 8192,
    "medium": 16384,
    "high": 24576,
}
_ORDER: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")
#: Below these budgets, a model that accepts only levels gets this level.
_LOW_BELOW: Final = 2000
_MEDIUM_BELOW: Final = 7000
_DYNAMIC: Final = -1


def thinking_fields(request: Request, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return ``maxOutputTokens`` and ``thinkingConfig``, if they have values."""
    limit = _limit(request.max_output_tokens, capabilities, losses)
    fields: dict[str, Any] = {} if limit is None else {"maxOutputTokens": limit}
    thinking = _normalized(request.thinking)
    if capabilities.thinking == "none":
        if thinking.mode in ("on", "adaptive"):
            losses.add("thinking", "dropped: the model does not think")
        return fields
    if capabilities.thinking == "level":
        config = _level(thinking, capabilities, losses)
    else:
        config = _budget(thinking, capabilities, losses)
        budget = config.get("thinkingBudget", 0)
        if limit is not None and budget > 0 and limit <= budget:
            limit, config["thinkingBudget"] = _room(limit, budget, capabilities, losses)
            fields["maxOutputTokens"] = limit
    include = _include(thinking, request.protocol)
    if include is not None:
        config["includeThoughts"] = include
    if config:
        fields["thinkingConfig"] = config
    return fields


def _normalized(thinking: ThinkingConfig) -> ThinkingConfig:
    """Return the thinking with everything that means ``off`` in one form."""
    if thinking.effort == "none" or (thinking.mode == "on" and thinking.budget == 0):
        return ThinkingConfig("off", include=thinking.include)
    return thinking


def _limit(requested: int | None, capabilities: Capabilities, losses: Losses) -> int | None:
    """Return the output limit, within the model's own."""
    most = capabilities.max_output_tokens
    if requested == 0:
        losses.add("max_output_tokens", "raised to 1, the minimum of the protocol")
        return 1
    if requested is not None and most is not None and requested > most:
        losses.add("max_output_tokens", f"lowered to the model's limit of {most}")
        return most
    return requested


def _include(thinking: ThinkingConfig, protocol: str) -> bool | None:
    """Return whether to include thoughts; by default a Gemini client gets none."""
    if thinking.mode == "off" or thinking.include is False:
        return None if thinking.include is None else False
    if thinking.include is None and protocol == "gemini":
        return None
    return True


def _budget(thinking: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the configuration for a model with budgets."""
    least, most = capabilities.min_budget, capabilities.max_budget
    if thinking.mode == "default":
        return {}
    if thinking.mode == "off":
        if least > 0:
            losses.add(
                "thinking", f"the model always thinks; its minimum budget of {least} is used"
            )
        return {"thinkingBudget": least}
    if thinking.budget is not None:
        budget = max(least, thinking.budget)
        budget = max(budget, capabilities.smallest_budget) if budget > 0 else budget
        budget = min(budget, most) if most > 0 else budget
        if budget != thinking.budget:
            losses.add("thinking.budget", f"changed to {budget}, which the model accepts")
        return {"thinkingBudget": budget}
    if thinking.effort is not None:
        budget = _BUDGETS.get(thinking.effort, most or _BUDGETS["high"])
        budget = max(least, budget)
        return {"thinkingBudget": min(budget, most) if most > 0 else budget}
    return {"thinkingBudget": capabilities.default_budget or _DYNAMIC}


def _room(limit: int, budget: int, capabilities: Capabilities, losses: Losses) -> tuple[int, int]:
    """Return an output limit with room for an answer behind the thoughts, and the budget."""
    most = capabilities.max_output_tokens
    raised = budget + _ANSWER if most is None else min(budget + _ANSWER, most)
    if raised > budget:
        losses.add("max_output_tokens", f"raised from {limit} to {raised} to hold the thoughts")
        return raised, budget
    smaller = max(capabilities.min_budget, min(raised - 1, max(raised // 2, 1)))
    losses.add("thinking.budget", f"lowered to {smaller} to leave room for an answer")
    return raised, smaller


def _level(thinking: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the configuration for a model with levels."""
    accepted = [effort for effort in _ORDER if effort in capabilities.efforts]
    if thinking.mode == "default":
        return {}
    if thinking.mode == "off":
        least = accepted[0] if accepted else "low"
        losses.add("thinking", f"the model always thinks; its lowest level, {least}, is used")
        return {"thinkingLevel": least.upper()}
    effort = thinking.effort
    if effort is None and thinking.budget is not None:
        effort = _effort_of(thinking.budget)
    if effort is None:
        return {}
    nearest = _nearest(effort, accepted)
    if nearest != effort:
        losses.add(
            "thinking.effort",
            f"{effort} was replaced by {nearest}, the nearest that the model supports",
        )
    return {"thinkingLevel": nearest.upper()}


def _effort_of(budget: int) -> Effort:
    """Return the effort that corresponds to a budget."""
    if budget < _LOW_BELOW:
        return "low"
    return "medium" if budget < _MEDIUM_BELOW else "high"


def _nearest(effort: Effort, accepted: list[Effort]) -> Effort:
    """Return the nearest accepted effort, the higher of two that are equally near."""
    options = accepted or list(_ORDER[:4])
    place = _ORDER.index(effort)
    return min(options, key=lambda each: (abs(_ORDER.index(each) - place), -_ORDER.index(each)))
