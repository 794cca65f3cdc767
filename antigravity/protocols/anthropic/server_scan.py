"""Scans requests for what another model of the protocol can refuse or read differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.member_scan import (
    Check,
    Members,
    contains_mark,
    exceeds,
    has_member,
    members,
    unread_marks,
    uses_any,
)

_MEDIA: Final = {"image": (b'"image"',), "document": (b'"document"',)}
_OFF: Final = {"type": "disabled"}


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request uses one of these aspects."""
    return uses_any(_CHECKS, members(body), aspects, capabilities)


def _thinking(fields: Members, served: Capabilities) -> bool:
    if contains_mark(fields, ("output_config",), b'"effort"'):
        return True
    if not has_member(fields, "thinking"):
        return False
    value: Any = msgspec.json.decode(fields["thinking"])
    return value != _OFF or served.min_budget > 0


def _media(fields: Members, served: Capabilities) -> bool:
    every = tuple(mark for marks in _MEDIA.values() for mark in marks)
    if contains_mark(fields, ("messages",), *unread_marks(served, _MEDIA)):
        return True
    if served.media_in_tool_results:
        return False
    return contains_mark(fields, ("messages",), b'"tool_result"') and contains_mark(
        fields, ("messages",), *every
    )


def _prefill(fields: Members, served: Capabilities) -> bool:
    try:
        turns = msgspec.json.decode(
            fields.get("messages", b"[]"), type=list[dict[str, msgspec.Raw]]
        )
    except msgspec.DecodeError:
        return False
    return bool(turns) and bytes(turns[-1].get("role", b"")) == b'"assistant"'


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": _thinking,
    "sampling": lambda fields, _: has_member(fields, "temperature", "top_p", "top_k"),
    "limit": lambda fields, served: exceeds(fields, served.max_output_tokens, "max_tokens"),
    "media": _media,
    "tools": lambda fields, _: has_member(fields, "tools"),
    "schema": lambda fields, _: (
        has_member(fields, "output_format")
        or contains_mark(fields, ("output_config",), b'"format"')
    ),
    "search": lambda fields, _: contains_mark(fields, ("tools",), b'"web_search'),
    "prefill": _prefill,
}
