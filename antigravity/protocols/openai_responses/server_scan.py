"""What a client's request carries that another model may take in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.member_scan import Check, above, any_of, given, lacking, marked, members

_MEDIA: Final = {"image": (b'"input_image"',), "document": (b'"input_file"',)}
#: What an upstream keeps for the client, and nobody else can make sense of.
_KEPT_UPSTREAM: Final = ("previous_response_id", "conversation", "prompt", "background")


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request has something of these aspects, and can be had in other words."""
    found = members(body)
    if given(found, *_KEPT_UPSTREAM) and bytes(found.get("background", b"")) != b"false":
        return False
    return any_of(_CHECKS, found, aspects, capabilities)


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda found, _: given(found, "reasoning"),
    "sampling": lambda found, _: given(found, "temperature", "top_p"),
    "logprobs": lambda found, _: (
        given(found, "top_logprobs") or marked(found, ("include",), b"logprobs")
    ),
    "limit": lambda found, served: above(found, served.max_output_tokens, "max_output_tokens"),
    "media": lambda found, served: marked(found, ("input",), *lacking(served, _MEDIA)),
    "tools": lambda found, _: given(found, "tools"),
    "schema": lambda found, _: marked(found, ("text",), b'"json_schema"'),
    "search": lambda found, _: marked(found, ("tools",), b'"web_search'),
}
