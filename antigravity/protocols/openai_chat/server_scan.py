"""Scans requests for what another model of the protocol can refuse or read differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities
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


def choices(found: Members) -> int:
    """Return how many choices a request asks for."""
    return count(found, "n")


def _thinking(found: Members, served: Capabilities) -> bool:
    if has_member(found, "reasoning_effort"):
        known = {f'"{effort}"'.encode() for effort in served.efforts}
        return bytes(found["reasoning_effort"]) not in known
    # OpenAI's reasoning models refuse the old name of the limit.
    return (
        served.family == "openai" and served.thinking != "none" and has_member(found, "max_tokens")
    )


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": _thinking,
    "sampling": lambda found, _: has_member(
        found, "temperature", "top_p", "presence_penalty", "frequency_penalty"
    ),
    "stop": lambda found, _: has_member(found, "stop"),
    "logprobs": lambda found, _: has_member(found, "logprobs", "top_logprobs"),
    "choices": lambda found, served: exceeds(found, served.max_choices, "n"),
    "limit": lambda found, served: exceeds(
        found, served.max_output_tokens, "max_tokens", "max_completion_tokens"
    ),
    "media": lambda found, served: contains_mark(
        found, ("messages",), *unread_marks(served, _MEDIA)
    ),
    "modalities": lambda found, _: has_member(found, "modalities", "audio"),
    "tools": lambda found, _: has_member(found, "tools", "functions"),
    "schema": lambda found, _: contains_mark(found, ("response_format",), b'"json_schema"'),
    "search": lambda found, _: has_member(found, "web_search_options"),
    "dialect": lambda found, served: served.family != "openai" and has_member(found, *_OPENAI_ONLY),
}
