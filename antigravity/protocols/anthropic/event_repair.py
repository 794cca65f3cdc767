"""Events of compatible servers that the SDKs cannot read, made whole where they are passed on.

SDKs build the message from its events: they append to ``content``, add to ``usage`` and take an
event by its name.  Only the few events that begin or end something are looked at.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.anthropic.client_events import name_of
from antigravity.protocols.anthropic.tool_input import as_object
from antigravity.sse import ServerSentEvent


class _AnyBlock(Struct):
    """What a block must be; the rest is of no concern."""

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

#: What blocks hold when they begin.
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
    """Return an event with all that SDKs need, ``event`` itself if nothing is missing."""
    if event.event == "content_block_delta":
        return event
    try:
        return _repaired(event)
    except (ValueError, RecursionError):
        return event  # no JSON: others say so


def _repaired(event: ServerSentEvent) -> ServerSentEvent:
    name = event.event
    if name not in _NAMES:
        name = name_of(event)
        if name not in _NAMES:
            return event
        event = event._replace(event=name)
    change = _CHANGES.get(name)
    if change is None:
        return event
    fields = _decode(event.data)
    if not change(fields):
        return event
    return event._replace(data=msgspec.json.encode(fields))


def _start(fields: dict[str, Any]) -> bool:
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
    return changed | _count(message["usage"], "input_tokens", "output_tokens")


def _delta(fields: dict[str, Any]) -> bool:
    changed = _fill(fields, "usage", {"output_tokens": 0})
    changed |= _fill(fields, "delta", {})
    for name in ("stop_reason", "stop_sequence"):
        if name not in fields["delta"]:
            fields["delta"][name] = None
            changed = True
    return changed | _count(fields["usage"], "output_tokens")


def _block(fields: dict[str, Any]) -> bool:
    block = fields.get("content_block")
    if not isinstance(block, dict):
        return False
    needed = _BLOCKS.get(str(block.get("type")), {})
    changed = _object_input(block)
    for name, value in needed.items():
        changed |= _fill(block, name, value)
    return changed


def _object_input(block: dict[str, Any]) -> bool:
    """Make the input of a tool an object."""
    if block.get("type") not in _CALLS or isinstance(block.get("input") or {}, dict):
        return False
    value = block["input"]
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    block["input"] = msgspec.json.decode(as_object(text))
    return True


def repair_body(body: bytes) -> bytes:
    """Return a whole message with all that SDKs need, ``body`` itself if nothing is missing.

    A body that is not a message is returned unchanged, so that nothing is lost of it.
    """
    try:
        _check(body)
    except (ValueError, RecursionError):
        pass
    else:
        return body
    try:
        fields = _decode(body)
    except (ValueError, RecursionError):
        return body
    if "content" not in fields or (fields.get("type") or "message") != "message":
        return body
    if isinstance(fields["content"], str):
        fields["content"] = [{"type": "text", "text": fields["content"]}]
    _start({"message": fields})
    fields["content"] = [block for block in fields["content"] if isinstance(block, dict)]
    for block in fields["content"]:
        _block({"content_block": block})
    return msgspec.json.encode(fields)


def _fill(fields: dict[str, Any], name: str, value: Any) -> bool:
    """Put a member in the place of one that is missing, or of another type."""
    if isinstance(fields.get(name), type(value)):
        return False
    fields[name] = value.copy() if isinstance(value, dict | list) else value
    return True


def _count(usage: dict[str, Any], *names: str) -> bool:
    """Make counts numbers."""
    changed = False
    for name in names:
        value = usage.get(name)
        if not isinstance(value, int):
            text = str(value)
            usage[name] = int(text) if text.isdecimal() and len(text) < 16 else 0
            changed = True
    return changed


_CHANGES: Final = {
    "message_start": _start,
    "message_delta": _delta,
    "content_block_start": _block,
}
