"""Identifiers of clients in the length that a wire takes."""

from __future__ import annotations

import hashlib
from typing import Final

#: The longest ``user``, ``safety_identifier`` and ``prompt_cache_key`` that OpenAI takes.
OPENAI_MAX: Final = 64
#: The longest ``metadata.user_id`` that Anthropic takes.
ANTHROPIC_MAX: Final = 256


def short_identifier(text: str, most: int) -> str:
    """Return ``text``, or where it is too long its hash: always the same for the same text."""
    if len(text) <= most:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:most]
