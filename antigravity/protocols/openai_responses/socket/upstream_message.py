"""Encodes messages for upstreams, and events from them as streams of server-sent events."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import Body
from antigravity.protocols.json_body import load_members
from antigravity.sse import encode_data, encode_event

#: How the bodies end that the gateway's own connections have read.
_STREAM: Final = b',"stream":true}'
#: Members that only HTTP has, or that the message sets.
_DROPPED: Final = ("type", "stream_id", "generate", "stream", "stream_options", "background")
_NAME: Final = re.compile(r"[a-z0-9_.-]{1,100}", re.IGNORECASE)
_LANE: Final = b'"stream_id"'


class MessageHead(Struct):
    """What is read of every message."""

    type: Any = None
    stream_id: Any = None


def encode_create(
    body: Body, lane: str | None, *, generates: bool
) -> tuple[bytes | memoryview, ...]:
    """Return the parts of a ``response.create`` with the members of the body of a POST."""
    own = b'{"type":"response.create",'
    if lane is not None:
        own += b'"stream_id":%b,' % msgspec.json.encode(lane)
    if not generates:
        own += b'"generate":false,'
    parts = (body,) if isinstance(body, bytes) else body
    rest = _without_stream([memoryview(part) for part in parts])
    if rest is None:
        members = load_members(b"".join(parts))
        kept = {name: value for name, value in members.items() if name not in _DROPPED}
        return own, msgspec.json.encode(kept)[1:]
    return own, *rest, b"}"


def _without_stream(parts: list[memoryview]) -> list[memoryview] | None:
    """Return the inside of a body without ``stream``; ``None`` if it must be read for that."""
    last = len(parts) - 1
    if len(parts[last]) <= len(_STREAM) + 1 or bytes(parts[last][-len(_STREAM) :]) != _STREAM:
        return None
    if bytes(parts[0][:2]) != b'{"':
        return None
    parts[last] = parts[last][: -len(_STREAM)]
    parts[0] = parts[0][1:]
    return parts


def encode_for_stream(kind: str, message: bytes) -> bytes:
    """Return a message as an event of a stream, unchanged but for its lane."""
    if _LANE in message:
        try:
            members = msgspec.json.decode(message, type=dict[str, Raw])
        except msgspec.DecodeError:
            members = {}
        if members.pop("stream_id", None) is not None:
            message = msgspec.json.encode(members)
    if b"\n" in message or b"\r" in message:
        message = message.replace(b"\n", b" ").replace(b"\r", b" ")  # never within a string
    return encode_event(kind.encode(), message) if _NAME.fullmatch(kind) else encode_data(message)
