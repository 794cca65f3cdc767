"""Scans requests for aspects that another Gemini model may reject or interpret differently.

Clients can write every name in two spellings.
"""

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
    elements,
    exceeds,
    has_member,
    members,
    unread_marks,
    uses_any,
)

_MEDIA: Final = {
    "image": (b'"image/',),
    "audio": (b'"audio/',),
    "video": (b'"video/',),
    "document": (b'"application/pdf"',),
}


def needs_translation(body: bytes, aspects: Aspects, capabilities: Capabilities) -> bool:
    """Return whether a request uses one of these aspects."""
    return uses_any(_CHECKS, _with_config(members(body)), aspects, capabilities)


def choices(fields: Members) -> int:
    """Return the number of candidates that a request with these members asks for."""
    return count(_with_config(fields), "candidateCount", "candidate_count")


def _with_config(fields: Members) -> Members:
    """Return the members of a request, and those of its configuration."""
    for name in ("generationConfig", "generation_config"):
        if name in fields:
            fields = {**fields, **members(fields[name])}
    return fields


def _prefill(fields: Members, _: Capabilities) -> bool:
    """Return whether the last turn is the model's."""
    turns = elements(fields["contents"]) if "contents" in fields else []
    return bool(turns) and bytes(members(turns[-1]).get("role", b"")) == b'"model"'


_CHECKS: Final[Mapping[Aspect, Check]] = {
    "thinking": lambda fields, _: has_member(fields, "thinkingConfig", "thinking_config"),
    "sampling": lambda fields, _: has_member(
        fields,
        "temperature",
        *("topP", "top_p", "topK", "top_k"),
        *("presencePenalty", "presence_penalty", "frequencyPenalty", "frequency_penalty"),
    ),
    "logprobs": lambda fields, _: has_member(
        fields, "logprobs", "responseLogprobs", "response_logprobs"
    ),
    "choices": lambda fields, served: exceeds(
        fields, served.max_choices, "candidateCount", "candidate_count"
    ),
    "limit": lambda fields, served: exceeds(
        fields, served.max_output_tokens, "maxOutputTokens", "max_output_tokens"
    ),
    "media": lambda fields, served: contains_mark(
        fields, ("contents",), *unread_marks(served, _MEDIA)
    ),
    "modalities": lambda fields, _: has_member(fields, "responseModalities", "response_modalities"),
    "tools": lambda fields, _: has_member(fields, "tools"),
    "schema": lambda fields, _: (
        has_member(
            fields,
            *("responseSchema", "response_schema"),
            *("responseJsonSchema", "response_json_schema"),
        )
        or contains_mark(fields, ("tools",), b"parametersJsonSchema", b"parameters_json_schema")
    ),
    "search": lambda fields, _: contains_mark(
        fields, ("tools",), b'"googleSearch', b'"google_search'
    ),
    "prefill": _prefill,
}
