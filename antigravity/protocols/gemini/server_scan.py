"""What a client's request carries that another model may take in another way.

Clients may write every name in two spellings.
"""

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
    elements,
    given,
    lacking,
    marked,
    members,
)

_MEDIA: Final = {
    "image": (b'"image/',),
    "audio": (b'"audio/',),
    "video": (b'"video/',),
    "document": (b'"application/pdf"',),
}


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request has something of these aspects."""
    return any_of(_CHECKS, _with_config(members(body)), aspects, capabilities)


def choices(found: Members) -> int:
    """Return how many candidates a request with these members wants."""
    return count(_with_config(found), "candidateCount", "candidate_count")


def _with_config(found: Members) -> Members:
    """Return the members of a request, and those of its configuration."""
    for name in ("generationConfig", "generation_config"):
        if name in found:
            found = {**found, **members(found[name])}
    return found


def _prefill(found: Members, _: Capabilities) -> bool:
    """Return whether the last turn is the model's."""
    turns = elements(found["contents"]) if "contents" in found else []
    return bool(turns) and bytes(members(turns[-1]).get("role", b"")) == b'"model"'


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda found, _: given(found, "thinkingConfig", "thinking_config"),
    "sampling": lambda found, _: given(
        found,
        "temperature",
        *("topP", "top_p", "topK", "top_k"),
        *("presencePenalty", "presence_penalty", "frequencyPenalty", "frequency_penalty"),
    ),
    "logprobs": lambda found, _: given(found, "logprobs", "responseLogprobs", "response_logprobs"),
    "choices": lambda found, served: above(
        found, served.max_choices, "candidateCount", "candidate_count"
    ),
    "limit": lambda found, served: above(
        found, served.max_output_tokens, "maxOutputTokens", "max_output_tokens"
    ),
    "media": lambda found, served: marked(found, ("contents",), *lacking(served, _MEDIA)),
    "modalities": lambda found, _: given(found, "responseModalities", "response_modalities"),
    "tools": lambda found, _: given(found, "tools"),
    "schema": lambda found, _: (
        given(
            found,
            *("responseSchema", "response_schema"),
            *("responseJsonSchema", "response_json_schema"),
        )
        or marked(found, ("tools",), b"parametersJsonSchema", b"parameters_json_schema")
    ),
    "search": lambda found, _: marked(found, ("tools",), b'"googleSearch', b'"google_search'),
    "prefill": _prefill,
}
