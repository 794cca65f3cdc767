"""Scans requests for what another model of the protocol can refuse or read differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.json_body import members_of
from antigravity.protocols.member_scan import (
    Check,
    Members,
    contains_mark,
    count,
    exceeds,
    has_member,
    members,
    unread_marks,
    uses_any,
)
from antigravity.protocols.openai_chat.flat_tools import has_flat_tools

_MEDIA: Final = {
    "image": (b'"image_url"',),
    "audio": (b'"input_audio"',),
    "document": (b'"file"',),
}
#: Fields that only OpenAI's own models accept.
_OPENAI_ONLY: Final = (
    "user",
    "prompt_cache_key",
    "service_tier",
    "verbosity",
    "metadata",
)


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request uses one of these aspects."""
    return uses_any(_CHECKS, members(body), aspects, capabilities)


def is_complete(call: Call, capabilities: Capabilities) -> bool:
    """Return whether all tools are in the form of chat completions."""
    return not has_flat_tools(members_of(call).get("tools"))


def thinks_with_tools(call: Call) -> bool:
    """Return whether a request has functions and does not switch thinking off."""
    fields = members_of(call)
    if not has_member(fields, "tools") or bytes(fields["tools"]).strip() == b"[]":
        return False
    effort = fields.get("reasoning_effort")
    return effort is None or bytes(effort) != b'"none"'


def choices(fields: Members) -> int:
    """Return how many choices a request asks for."""
    return count(fields, "n")


def _thinking(fields: Members, served: Capabilities) -> bool:
    if has_member(fields, "reasoning_effort"):
        known = {f'"{effort}"'.encode() for effort in served.efforts}
        return bytes(fields["reasoning_effort"]) not in known
    # OpenAI's reasoning models refuse the old name of the limit.
    return (
        served.family == "openai" and served.thinking != "none" and has_member(fields, "max_tokens")
    )


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": _thinking,
    "sampling": lambda fields, _: has_member(
        fields, "temperature", "top_p", "presence_penalty", "frequency_penalty"
    ),
    "stop": lambda fields, _: has_member(fields, "stop"),
    "logprobs": lambda fields, _: has_member(fields, "logprobs", "top_logprobs"),
    "choices": lambda fields, served: exceeds(fields, served.max_choices, "n"),
    "limit": lambda fields, served: exceeds(
        fields, served.max_output_tokens, "max_tokens", "max_completion_tokens"
    ),
    "media": lambda fields, served: contains_mark(
        fields, ("messages",), *unread_marks(served, _MEDIA)
    ),
    "modalities": lambda fields, _: has_member(fields, "modalities", "audio"),
    "tools": lambda fields, _: has_member(fields, "tools", "functions"),
    "schema": lambda fields, _: contains_mark(fields, ("response_format",), b'"json_schema"'),
    "search": lambda fields, _: has_member(fields, "web_search_options"),
    "dialect": lambda fields, served: (
        served.family != "openai" and has_member(fields, *_OPENAI_ONLY)
    ),
}
