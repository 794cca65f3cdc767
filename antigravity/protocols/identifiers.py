"""Identifiers of clients, shortened to the limits of protocols."""

from __future__ import annotations

import hashlib
from typing import Final

#: The longest ``user``, ``safety_identifier`` and ``prompt_cache_key`` that OpenAI accepts.
OPENAI_MAX: Final = 64
#: The longest ``metadata.user_id`` that Anthropic accepts.
ANTHROPIC_MAX: Final = 256


def short_identifier(text: str, most: int) -> str:
    """Return ``text``, or its hash if it is too long."""
    if len(text) <= most:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:most]
