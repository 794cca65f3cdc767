"""Input for responses that are running; pure."""

from __future__ import annotations

from typing import Any, Final

#: Inputs that may wait for the end of one response.
MAX_STEERS: Final = 8


def read_steering(message: dict[str, Any], pending: int) -> tuple[str, list[Any]]:
    """Return the code of the error in a message with input, and its items."""
    given = message.get("input")
    if message.keys() - {"type", "previous_response_id", "input"}:
        return "invalid_input", []
    if isinstance(given, str) and given:
        given = [{"type": "message", "role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        return "invalid_input", []
    for item in given:
        if not isinstance(item, dict) or item.get("role") != "user":
            return "invalid_input", []
        if item.keys() - {"type", "role", "content"} or item.get("type", "message") != "message":
            return "invalid_input", []
    return ("too_many_pending_steers", []) if pending >= MAX_STEERS else ("", given)


def find_missing(items: list[Any]) -> list[dict[str, Any]]:
    """Return stubs of the outputs that are missing in a conversation."""
    answered = {item.get("call_id") for item in items if str(item.get("type")).endswith("_output")}
    return [
        {"type": "function_call_output", "call_id": item["call_id"], "name": item["name"]}
        for item in items
        if item.get("type") == "function_call" and item["call_id"] not in answered
    ]
