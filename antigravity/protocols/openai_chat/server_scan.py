"""What a client's request carries that another model may take in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.member_scan import (
    Check,
    Members,
    above,
    any_of,
    count,
    given,
    lacking,
    marked,
    members,
)

_MEDIA: Final = {
    "image": (b'"image_url"',),
    "audio": (b'"input_audio"',),
    "document": (b'"file"',),
}
#: What only OpenAI's own models are told about a client.
_OPENAI_ONLY: Final = (
    "user",
    "prompt_cache_key",
    "service_tier",
    "verbosity",
    "metadata",
)


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request has something of these aspects."""
    return any_of(_CHECKS, members(body), aspects, capabilities)


def choices(found: Members) -> int:
    """Return how many choices a request wants."""
    return count(found, "n")


def _thinking(found: Members, served: Capabilities) -> bool:
    if given(found, "reasoning_effort"):
        known = {f'"{effort}"'.encode() for effort in served.efforts}
        return bytes(found["reasoning_effort"]) not in known
    # OpenAI's models that think refuse the old name of the limit.
    return served.family == "openai" and served.thinking != "none" and given(found, "max_tokens")


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": _thinking,
    "sampling": lambda found, _: given(
        found, "temperature", "top_p", "presence_penalty", "frequency_penalty"
    ),
    "stop": lambda found, _: given(found, "stop"),
    "logprobs": lambda found, _: given(found, "logprobs", "top_logprobs"),
    "choices": lambda found, served: above(found, served.max_choices, "n"),
    "limit": lambda found, served: above(
        found, served.max_output_tokens, "max_tokens", "max_completion_tokens"
    ),
    "media": lambda found, served: marked(found, ("messages",), *lacking(served, _MEDIA)),
    "modalities": lambda found, _: given(found, "modalities", "audio"),
    "tools": lambda found, _: given(found, "tools", "functions"),
    "schema": lambda found, _: marked(found, ("response_format",), b'"json_schema"'),
    "search": lambda found, _: given(found, "web_search_options"),
    "dialect": lambda found, served: served.family != "openai" and given(found, *_OPENAI_ONLY),
}
