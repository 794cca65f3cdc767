"""Extensions that requests of chat completions and of the Responses API have in common."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.request import Request

_PROTOCOLS: Final = frozenset(("openai_chat", "openai_responses"))
_FIELDS: Final = frozenset(
    ("moderation", "prompt_cache_options", "prompt_cache_retention", "safety_identifier")
)


def is_shared(name: str, source: str, target: str) -> bool:
    """Return whether a field of the protocol ``source`` means the same in ``target``."""
    return name in _FIELDS and {source, target} == _PROTOCOLS


def shared_extensions(request: Request, protocol: str) -> dict[str, Any]:
    """Return the extensions of a request that mean the same in another ``protocol``."""
    return {
        name: value
        for name, value in request.extensions.items()
        if value is not None and is_shared(name, request.protocol, protocol)
    }
