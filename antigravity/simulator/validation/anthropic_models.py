"""Properties of models behind Anthropic's protocol, by name; pure.

Sources: https://platform.claude.com/docs/en/models/overview,
https://api-docs.deepseek.com/guides/anthropic_api
"""

from __future__ import annotations

import re
from typing import Final

#: The largest ``max_tokens`` by the beginning of a name; the first that matches counts.
_LIMITS: Final = (
    ("claude-3-7", 64_000),
    ("claude-3-5", 8_192),
    ("claude-3-", 4_096),
    ("deepseek-", 393_216),
    ("kimi-k3", 1_048_576),
    ("kimi-", 262_144),
    ("glm-", 131_072),
    ("minimax-", 196_608),
)
_LARGEST: Final = 128_000


def generation(model: str) -> tuple[int, int]:
    """Return the generation of a model: (4, 6) for claude-opus-4-6, (99, 0) if unknown."""
    match = re.search(r"-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)", model)
    if not model.startswith("claude") or match is None:
        return (99, 0)
    return int(match[1]), int(match[2] or 0)


def max_output(model: str) -> int:
    """Return the largest ``max_tokens`` of a model."""
    for beginning, limit in _LIMITS:
        if model.lower().startswith(beginning):
            return limit
    found = generation(model)
    if found < (4, 5) and "opus" in model:
        return 32_000
    return 64_000 if found < (4, 6) else _LARGEST


def accepts_response_schemas(model: str) -> bool:
    """Return whether the model accepts a schema for its response."""
    return generation(model) >= (4, 5) or "opus-4-1" in model
