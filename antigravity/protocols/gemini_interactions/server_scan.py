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

_MEDIA: Final = {
    "image": (b'"image"',),
    "audio": (b'"audio"',),
    "video": (b'"video"',),
    "document": (b'"document"',),
}
#: Fields that refer to what an upstream stores or runs.
_ONLY_GOOGLE: Final = (
    "agent",
    "continuation_token",
    "environment",
    "previous_interaction_id",
    "webhook_config",
)


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request uses one of these aspects, and can be translated."""
    fields = members(body)
    if has_member(fields, *_ONLY_GOOGLE) or bytes(fields.get("background", b"")) == b"true":
        return False
    if "generation_config" in fields:
        fields = {**fields, **members(fields["generation_config"])}
    return uses_any(_CHECKS, fields, aspects, capabilities)


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda fields, _: has_member(fields, "thinking_level"),
    "sampling": lambda fields, _: has_member(fields, "temperature", "top_p"),
    "limit": lambda fields, served: exceeds(fields, served.max_output_tokens, "max_output_tokens"),
    "media": lambda fields, served: contains_mark(
        fields, ("input",), *unread_marks(served, _MEDIA)
    ),
    "modalities": lambda fields, _: (
        has_member(fields, "response_modalities")
        or contains_mark(fields, ("response_format",), b'"image"', b'"audio"', b'"video"')
    ),
    "tools": lambda fields, _: has_member(fields, "tools"),
    "schema": lambda fields, _: has_member(fields, "response_format"),
    "search": lambda fields, _: contains_mark(fields, ("tools",), b'"google_search"'),
    "dialect": lambda fields, _: has_member(fields, "safety_settings", "cached_content"),
}
