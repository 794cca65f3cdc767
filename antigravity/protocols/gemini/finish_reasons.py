"""Finish reasons of Gemini and of the intermediate representation."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import FaultyEndError, UpstreamCredentialError, UpstreamError
from antigravity.ir.events import FinishReason

_TO_WIRE: Final[dict[FinishReason, str]] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
}
_FROM_WIRE: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "NO_IMAGE": "stop",
    "OTHER": "stop",
}
#: Reasons that are mistakes of the model: another attempt can succeed.
_FAILURES: Final = {
    "MALFORMED_FUNCTION_CALL": "The model wrote a function call that cannot be read.",
    "UNEXPECTED_TOOL_CALL": "The model called a function that was not offered.",
    "TOO_MANY_TOOL_CALLS": "The model made too many calls of hosted tools.",
    "MALFORMED_RESPONSE": "The model's response cannot be read.",
    "MISSING_THOUGHT_SIGNATURE": "The history lacks a required thought signature.",
}


def to_wire(reason: FinishReason, native: str | None) -> str:
    """Return the ``finishReason`` for a client; Gemini's own if ``native`` is one."""
    if native is not None and (native in _FROM_WIRE or native in _FAILURES):
        return native
    return _TO_WIRE[reason]


def from_wire(native: str, *, called: bool) -> FinishReason:
    """Return the finish reason; with a function call it is ``tool_calls`` unless cut off."""
    reason = _FROM_WIRE.get(native, "stop")
    return "tool_calls" if called and reason == "stop" else reason


def failure_of(native: str, message: str | None) -> UpstreamError | None:
    """Return the error for a reason with which no complete response ends, else ``None``."""
    if native == "PUP_LIMITED_DISABLED":
        return UpstreamCredentialError(
            "The upstream has limited or disabled the account.", code=native.lower()
        )
    found = _FAILURES.get(native)
    if found is None:
        return None
    text = f"{found} {message}" if message else found
    return FaultyEndError(text, native=native, code=native.lower())
