"""How much a Gemini model is told to think: by a budget of tokens, or by a level."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Effort, Request, ThinkingConfig
from antigravity.protocols.losses import Losses

#: Room for the answer itself behind the thoughts.
_ANSWER: Final = 8192
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 8192,
    "medium": 16384,
    "high": 24576,
}
_ORDER: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")
#: Up to these budgets a model that knows levels only is told the level.
_LOW_BELOW: Final = 2000
_MEDIUM_BELOW: Final = 7000
_DYNAMIC: Final = -1


def thinking_fields(request: Request, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return ``maxOutputTokens`` and ``thinkingConfig``, as far as there is something to say."""
    limit = _limit(request.max_output_tokens, capabilities, losses)
    fields: dict[str, Any] = {} if limit is None else {"maxOutputTokens": limit}
    wish = _wish(request.thinking)
    if capabilities.thinking == "none":
        if wish.mode in ("on", "adaptive"):
            losses.add("thinking", "the model does not think; the wish was dropped")
        return fields
    if capabilities.thinking == "level":
        config = _level(wish, capabilities, losses)
    else:
        config = _budget(wish, capabilities, losses)
        budget = config.get("thinkingBudget", 0)
        if limit is not None and budget > 0 and limit <= budget:
            limit, config["thinkingBudget"] = _room(limit, budget, capabilities, losses)
            fields["maxOutputTokens"] = limit
    include = _include(wish, request.protocol)
    if include is not None:
        config["includeThoughts"] = include
    if config:
        fields["thinkingConfig"] = config
    return fields


def _wish(thinking: ThinkingConfig) -> ThinkingConfig:
    """Return the wish with everything that means ``off`` said the same way."""
    if thinking.effort == "none" or (thinking.mode == "on" and thinking.budget == 0):
        return ThinkingConfig("off", include=thinking.include)
    return thinking


def _limit(wanted: int | None, capabilities: Capabilities, losses: Losses) -> int | None:
    """Return the output limit within what the model can do."""
    most = capabilities.max_output_tokens
    if wanted == 0:
        losses.add("max_output_tokens", "raised to 1, the least that the protocol takes")
        return 1
    if wanted is not None and most is not None and wanted > most:
        losses.add("max_output_tokens", f"lowered to the model's limit of {most}")
        return most
    return wanted


def _include(wish: ThinkingConfig, protocol: str) -> bool | None:
    """Return whether thoughts are wanted; a Gemini client that says nothing wants none."""
    if wish.mode == "off" or wish.include is False:
        return None if wish.include is None else False
    if wish.include is None and protocol == "gemini":
        return None
    return True


def _budget(wish: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the configuration of a model that takes budgets."""
    least, most = capabilities.min_budget, capabilities.max_budget
    if wish.mode == "default":
        return {}
    if wish.mode == "off":
        if least > 0:
            losses.add("thinking", f"the model always thinks; it got its least budget of {least}")
        return {"thinkingBudget": least}
    if wish.budget is not None:
        budget = max(least, wish.budget)
        budget = max(budget, capabilities.smallest_budget) if budget > 0 else budget
        budget = min(budget, most) if most > 0 else budget
        if budget != wish.budget:
            losses.add("thinking.budget", f"brought to {budget}, which the model takes")
        return {"thinkingBudget": budget}
    if wish.effort is not None:
        budget = _BUDGETS.get(wish.effort, most or _BUDGETS["high"])
        budget = max(least, budget)
        return {"thinkingBudget": min(budget, most) if most > 0 else budget}
    return {"thinkingBudget": capabilities.default_budget or _DYNAMIC}


def _room(limit: int, budget: int, capabilities: Capabilities, losses: Losses) -> tuple[int, int]:
    """Return a limit that leaves room for an answer behind the thoughts, and the budget."""
    most = capabilities.max_output_tokens
    raised = budget + _ANSWER if most is None else min(budget + _ANSWER, most)
    if raised > budget:
        losses.add("max_output_tokens", f"raised from {limit} to {raised} to hold the thoughts")
        return raised, budget
    smaller = max(capabilities.min_budget, min(raised - 1, max(raised // 2, 1)))
    losses.add("thinking.budget", f"lowered to {smaller} to leave room for an answer")
    return raised, smaller


def _level(wish: ThinkingConfig, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the configuration of a model that takes levels."""
    known = [effort for effort in _ORDER if effort in capabilities.efforts]
    if wish.mode == "default":
        return {}
    if wish.mode == "off":
        least = known[0] if known else "low"
        losses.add("thinking", f"the model always thinks; it was told its least level, {least}")
        return {"thinkingLevel": least.upper()}
    effort = wish.effort
    if effort is None and wish.budget is not None:
        effort = _effort_of(wish.budget)
    if effort is None:
        return {}
    nearest = _nearest(effort, known)
    if nearest != effort:
        losses.add("thinking.effort", f"{effort} became {nearest}, the nearest that it knows")
    return {"thinkingLevel": nearest.upper()}


def _effort_of(budget: int) -> Effort:
    """Return the effort that a budget amounts to."""
    if budget < _LOW_BELOW:
        return "low"
    return "medium" if budget < _MEDIUM_BELOW else "high"


def _nearest(effort: Effort, known: list[Effort]) -> Effort:
    """Return the nearest known effort, the higher of two that are equally near."""
    options = known or list(_ORDER[:4])
    place = _ORDER.index(effort)
    return min(options, key=lambda each: (abs(_ORDER.index(each) - place), -_ORDER.index(each)))
