"""Encodes thinking settings in the fields that the upstream has for them."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.request import Effort, Request
from antigravity.ir.thinking import nearest_effort, requested_effort
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.schema import NAME

_USUAL: Final[tuple[Effort, ...]] = ("low", "medium", "high")


def thinking_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the fields for thinking: an effort, a switch, or both."""
    effort = requested_effort(request.thinking)
    thinks = target.capabilities.thinking != "none"
    fields: dict[str, Any] = {}
    if thinks and target.accepts("thinking_switch"):
        fields = _switch(request, target, losses)
        if effort is None or not target.capabilities.efforts:
            return fields
        if effort == "none" and target.capabilities.min_budget == 0:
            return fields
    elif thinks and target.accepts("enable_thinking"):
        return _enabled(request, losses)
    return {**fields, **_effort(effort, request, target, losses)}


def is_thinking_off(request: Request, capabilities: Capabilities) -> bool:
    """Return whether the model will not think for a request."""
    effort = requested_effort(request.thinking)
    return effort == "none" or (effort is None and not capabilities.thinks_by_default)


def _is_switched(request: Request) -> bool | None:
    """Return whether thinking is switched on or off, ``None`` if the client did not choose."""
    effort = requested_effort(request.thinking)
    if effort is None:
        return None if request.thinking.mode == "default" else True
    return effort != "none"


def _switch(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    switched_on = _is_switched(request)
    if switched_on is None:
        return {}
    if not switched_on and target.capabilities.min_budget > 0:
        losses.add("thinking", "dropped: thinking cannot be switched off for this model")
        return {}
    return {"thinking": {"type": "enabled" if switched_on else "disabled"}}


def _enabled(request: Request, losses: Losses) -> dict[str, Any]:
    switched_on, budget = _is_switched(request), request.thinking.budget
    if switched_on is None:
        return {}
    if request.thinking.effort not in (None, "none"):
        losses.add("thinking", "sent as a switch: the target accepts no efforts")
    if switched_on and budget is not None and budget > 0:
        return {"enable_thinking": True, "thinking_budget": budget}
    return {"enable_thinking": switched_on}


def _effort(
    effort: Effort | None, request: Request, target: Target, losses: Losses
) -> dict[str, Any]:
    """Return the accepted effort that is nearest to the requested one."""
    capabilities = target.capabilities
    allowed = capabilities.efforts
    elsewhere = capabilities.tools_protocol not in ("", NAME)
    if elsewhere and "xhigh" in allowed:
        allowed = tuple(name for name in allowed if name != "max")  # only that protocol has it
    if not allowed and capabilities.thinking != "none" and target.accepts("reasoning_effort"):
        if effort == "none":
            return _switched_off(target, losses)
        allowed = _USUAL
    usual = capabilities.family != "other"
    if effort == "none" and not usual and target.accepts("effort_none"):
        return _switched_off(target, losses)
    if not allowed or not target.accepts("reasoning_effort", usual=usual):
        if effort not in (None, "none"):
            losses.add("thinking", "dropped: the target accepts no efforts")
        return {}
    if request.tools and elsewhere:
        return _with_tools(effort, allowed, losses)
    if effort is None:
        return {}
    if effort != "none":
        allowed = tuple(name for name in allowed if name != "none") or allowed
    nearest = nearest_effort(effort, allowed)
    if nearest != request.thinking.effort and not (effort == nearest == "none"):
        losses.add("thinking", f"sent as the effort {nearest}")
    return {"reasoning_effort": nearest}


def _switched_off(target: Target, losses: Losses) -> dict[str, Any]:
    """Return the field that switches thinking off for a model whose efforts are not known."""
    if target.capabilities.min_budget > 0:
        losses.add("thinking", "thinking cannot be switched off for this model")
        return {"reasoning_effort": _USUAL[0]}
    if target.accepts("effort_none"):
        return {"reasoning_effort": "none"}
    losses.add("thinking", "dropped: the target has no field to switch thinking off")
    return {}


def _with_tools(
    effort: Effort | None, allowed: tuple[Effort, ...], losses: Losses
) -> dict[str, Any]:
    """Return the effort for a model that accepts tools in this protocol only without thinking."""
    if effort not in (None, "none"):
        losses.add("thinking", "dropped: in this protocol the model accepts no tools with thinking")
    return {"reasoning_effort": "none"} if "none" in allowed else {}
