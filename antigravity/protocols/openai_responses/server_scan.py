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
    fields = members(body)
    if has_member(fields, *_STORED_UPSTREAM) and bytes(fields.get("background", b"")) != b"false":
        return False
    return uses_any(_CHECKS, fields, aspects, capabilities)


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda fields, _: has_member(fields, "reasoning"),
    "sampling": lambda fields, _: has_member(fields, "temperature", "top_p"),
    "logprobs": lambda fields, _: (
        has_member(fields, "top_logprobs") or contains_mark(fields, ("include",), b"logprobs")
    ),
    "limit": lambda fields, served: exceeds(fields, served.max_output_tokens, "max_output_tokens"),
    "media": lambda fields, served: contains_mark(
        fields, ("input",), *unread_marks(served, _MEDIA)
    ),
    "tools": lambda fields, _: has_member(fields, "tools"),
    "schema": lambda fields, _: contains_mark(fields, ("text",), b'"json_schema"'),
    "search": lambda fields, _: contains_mark(fields, ("tools",), b'"web_search'),
}
