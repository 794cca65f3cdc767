"""Stop reasons of Anthropic and finish reasons of the representation."""

from __future__ import annotations

from typing import Final

from antigravity.ir.events import Finish, FinishReason

_TO_WIRE: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_FROM_WIRE: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}


def stop_reason(finish: Finish, *, called: bool) -> str:
    """Return the ``stop_reason`` of a message; ``called`` is whether it has tool calls.

    Clients run tool calls only if the reason is ``tool_use``, so it must match the content.
    """
    reason = finish.reason
    if called and reason == "stop":
        reason = "tool_calls"
    elif not called and reason == "tool_calls":
        reason = "stop"
    if finish.native is not None and _FROM_WIRE.get(finish.native) == reason:
        return finish.native
    return _TO_WIRE[reason]


def finish(native: str | None, stop_sequence: str | None, *, called: bool) -> Finish:
    """Return the event for an upstream's ``stop_reason``; an unknown one is ``stop``."""
    reason = _FROM_WIRE.get(native or "", "stop")
    if called and reason == "stop":
        reason = "tool_calls"
    return Finish(reason, stop_sequence, native)
