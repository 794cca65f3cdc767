"""Repairs events of compatible servers that SDKs cannot read, in native pass-through.

SDKs build the message from its events: they append to ``content``, add to ``usage`` and recognise
an event by its name.  Only the few events that begin or end something are decoded.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.anthropic.client_events import name_of
from antigravity.protocols.anthropic.tool_input import as_object
from antigravity.sse import ServerSentEvent


class _AnyBlock(Struct):
    """The members of a block that SDKs rely on."""

    type: str
    text: str = ""
    thinking: str = ""
    input: dict[str, Raw] = {}


class _Usage(Struct):
    input_tokens: int
    output_tokens: int


class _Message(Struct):
    type: Literal["message"]
    role: Literal["assistant"]
    id: str
    model: str
    content: list[_AnyBlock]
    usage: _Usage


_check: Final = msgspec.json.Decoder(_Message).decode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

#: Members of blocks at their start.
_BLOCKS: Final[dict[str, dict[str, Any]]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
}
_CALLS: Final = ("tool_use", "server_tool_use")
_NAMES: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)


def repair_event(event: ServerSentEvent) -> ServerSentEvent:
    """Return an event with all members that SDKs need, ``event`` itself if none is missing."""
    if event.event == "content_block_delta":
        return event
    try:
        return _repaired(event)
    except (ValueError, RecursionError):
        return event  # not JSON: the tap reports it


def _repaired(event: ServerSentEvent) -> ServerSentEvent:
    name = event.event
    if name not in _NAMES:
        name = name_of(event)
        if name not in _NAMES:
            return event
        event = ServerSentEvent(name, event.data)
    repair = _REPAIRS.get(name)
    if repair is None:
        return event
    fields = _decode(event.data)
    if not repair(fields):
        return event
    return ServerSentEvent(event.event, msgspec.json.encode(fields))


def _repair_start(fields: dict[str, Any]) -> bool:
    message = fields.get("message")
    if not isinstance(message, dict):
        return False
    changed = _fill(message, "usage", {"input_tokens": 0, "output_tokens": 0})
    changed |= _fill(message, "content", [])
    for name, value in (("type", "message"), ("role", "assistant"), ("id", ""), ("model", "")):
        changed |= _fill(message, name, value)
    for name in ("stop_reason", "stop_sequence"):
        if name not in message:
            message[name] = None
            changed = True
    return changed | _repair_counts(message["usage"], "input_tokens", "output_tokens")


def _repair_delta(fields: dict[str, Any]) -> bool:
    changed = _fill(fields, "usage", {"output_tokens": 0})
    changed |= _fill(fields, "delta", {})
    for name in ("stop_reason", "stop_sequence"):
        if name not in fields["delta"]:
            fields["delta"][name] = None
            changed = True
    return changed | _repair_counts(fields["usage"], "output_tokens")


def _repair_block(fields: dict[str, Any]) -> bool:
    block = fields.get("content_block")
    if not isinstance(block, dict):
        return False
    needed = _BLOCKS.get(str(block.get("type")), {})
    changed = _repair_input(block)
    for name, value in needed.items():
        changed |= _fill(block, name, value)
    return changed


def _repair_input(block: dict[str, Any]) -> bool:
    """Make the input of a tool call an object; return whether it was not one."""
    if block.get("type") not in _CALLS or isinstance(block.get("input") or {}, dict):
        return False
    value = block["input"]
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    block["input"] = msgspec.json.decode(as_object(text))
    return True


def repair_body(body: bytes) -> bytes:
    """Return a whole message with all members that SDKs need, ``body`` itself if none is missing.

    A body that is not a message is returned unchanged.
    """
    with suppress(ValueError, RecursionError):
        _check(body)
        return body
    try:
        fields = _decode(body)
    except (ValueError, RecursionError):
        return body
    if "content" not in fields or (fields.get("type") or "message") != "message":
        return body
    if isinstance(fields["content"], str):
        fields["content"] = [{"type": "text", "text": fields["content"]}]
    _repair_start({"message": fields})
    fields["content"] = [block for block in fields["content"] if isinstance(block, dict)]
    for block in fields["content"]:
        _repair_block({"content_block": block})
    return msgspec.json.encode(fields)


def _fill(fields: dict[str, Any], name: str, value: Any) -> bool:
    """Set a member that is missing or has another type; return whether it was set."""
    if isinstance(fields.get(name), type(value)):
        return False
    fields[name] = value.copy() if isinstance(value, dict | list) else value
    return True


def _repair_counts(usage: dict[str, Any], *names: str) -> bool:
    """Replace counts that are not numbers; return whether there were any."""
    changed = False
    for name in names:
        value = usage.get(name)
        if not isinstance(value, int):
            text = str(value)
            usage[name] = int(text) if text.isdecimal() and len(text) < 16 else 0
            changed = True
    return changed


_REPAIRS: Final = {
    "message_start": _repair_start,
    "message_delta": _repair_delta,
    "content_block_start": _repair_block,
}
