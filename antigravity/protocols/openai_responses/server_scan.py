"""Scans requests for what another model of the protocol can refuse or read differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.member_scan import (
    Check,
    contains_mark,
    exceeds,
    has_member,
    members,
    unread_marks,
    uses_any,
)

_MEDIA: Final = {"image": (b'"input_image"',), "document": (b'"input_file"',)}
#: Fields that refer to what an upstream stores.
_STORED_UPSTREAM: Final = ("previous_response_id", "conversation", "prompt", "background")


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request uses one of these aspects, and can be translated."""
    found = members(body)
    if has_member(found, *_STORED_UPSTREAM) and bytes(found.get("background", b"")) != b"false":
        return False
    return uses_any(_CHECKS, found, aspects, capabilities)


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda found, _: has_member(found, "reasoning"),
    "sampling": lambda found, _: has_member(found, "temperature", "top_p"),
    "logprobs": lambda found, _: (
        has_member(found, "top_logprobs") or contains_mark(found, ("include",), b"logprobs")
    ),
    "limit": lambda found, served: exceeds(found, served.max_output_tokens, "max_output_tokens"),
    "media": lambda found, served: contains_mark(found, ("input",), *unread_marks(served, _MEDIA)),
    "tools": lambda found, _: has_member(found, "tools"),
    "schema": lambda found, _: contains_mark(found, ("text",), b'"json_schema"'),
    "search": lambda found, _: contains_mark(found, ("tools",), b'"web_search'),
}
