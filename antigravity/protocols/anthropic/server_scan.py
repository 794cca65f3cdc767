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


def _thinking(found: Members, served: Capabilities) -> bool:
    if contains_mark(found, ("output_config",), b'"effort"'):
        return True
    if not has_member(found, "thinking"):
        return False
    value: Any = msgspec.json.decode(found["thinking"])
    return value != _OFF or served.min_budget > 0


def _media(found: Members, served: Capabilities) -> bool:
    every = tuple(mark for marks in _MEDIA.values() for mark in marks)
    if contains_mark(found, ("messages",), *unread_marks(served, _MEDIA)):
        return True
    if served.media_in_tool_results:
        return False
    return contains_mark(found, ("messages",), b'"tool_result"') and contains_mark(
        found, ("messages",), *every
    )


def _prefill(found: Members, served: Capabilities) -> bool:
    try:
        turns = msgspec.json.decode(found.get("messages", b"[]"), type=list[dict[str, msgspec.Raw]])
    except msgspec.DecodeError:
        return False
    return bool(turns) and bytes(turns[-1].get("role", b"")) == b'"assistant"'


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": _thinking,
    "sampling": lambda found, _: has_member(found, "temperature", "top_p", "top_k"),
    "limit": lambda found, served: exceeds(found, served.max_output_tokens, "max_tokens"),
    "media": _media,
    "tools": lambda found, _: has_member(found, "tools"),
    "schema": lambda found, _: (
        has_member(found, "output_format") or contains_mark(found, ("output_config",), b'"format"')
    ),
    "search": lambda found, _: contains_mark(found, ("tools",), b'"web_search'),
    "prefill": _prefill,
}
