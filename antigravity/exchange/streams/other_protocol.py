"""Responses in another protocol than the request to the upstream.

A base address that is configured as one kind of upstream may belong to another kind.  The members
of the first event show which protocol it speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from antigravity.exchange.context import RequestContext
from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.request import Request
from antigravity.routing.decision import RoutingOption

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_DATA: Final = re.compile(rb"^data:[ \t]*(\{.*\})[ \t]*$", re.MULTILINE)
#: Members that only the responses of a protocol have; if found, nothing needs to be decoded.
_OWN: Final = {
    "openai_chat": (b'"choices"',),
    "openai_responses": (b'"response', b'"output"'),
    "anthropic": (b'"message_start"', b'"stop_reason"'),
    "gemini": (b'"candidates"', b'"promptFeedback"', b'"usageMetadata"'),
    "gemini_interactions": (b'"event_type"', b'"steps"', b'"interaction"'),
}


def detect_protocol(data: bytes) -> str:
    """Return the protocol of an event or a whole response; empty if it is unknown."""
    try:
        members = _MEMBERS.decode(data)
    except (ValueError, RecursionError):
        return ""
    kind = bytes(members.get("type", b"")).strip(b'"')
    if "choices" in members:
        return "openai_chat"
    if "candidates" in members:
        return "gemini"
    if "event_type" in members or bytes(members.get("object", b"")) == b'"interaction"':
        return "gemini_interactions"
    if kind.startswith(b"response.") or bytes(members.get("object", b"")) == b'"response"':
        return "openai_responses"
    if kind == b"message_start" or (kind == b"message" and "content" in members):
        return "anthropic"
    return ""


def is_other_protocol(protocol: str, data: bytes) -> bool:
    """Return whether a response is in another protocol than ``protocol``.

    ``data`` is a whole JSON object, or the beginning of a stream of events.
    """
    own = _OWN.get(protocol)
    if own is None or any(word in data for word in own):
        return False
    event = _DATA.search(data)
    return detect_protocol(event[1] if event is not None else data) not in ("", protocol)


def decoder_finder(
    context: RequestContext, option: RoutingOption, request: Request
) -> Callable[[bytes], IStreamDecoder | None]:
    """Return a function that finds the decoder for a first event in another protocol."""

    def find(data: bytes) -> IStreamDecoder | None:
        if option.client.name not in _OWN:
            return None
        client = context.snapshot.clients.get(detect_protocol(data))
        if client is None or client.name == option.client.name:
            return None
        decoder: IStreamDecoder = client.decoder(request, option.target)
        return decoder

    return find
