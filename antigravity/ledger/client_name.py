"""The name of a client program, from its user agent."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: What user agents begin with, in lower case, and the names of the programs.
_KNOWN: Final = (
    ("claude-cli", "claude-code"),
    ("claude-code", "claude-code"),
    ("codex", "codex"),
    ("geminicli", "gemini-cli"),
    ("opencode", "opencode"),
    ("qwencode", "qwen-code"),
    ("asyncopenai/python", "openai-python"),
    ("openai/python", "openai-python"),
    ("openai/js", "openai-node"),
    ("asyncanthropic/python", "anthropic-python"),
    ("anthropic/python", "anthropic-python"),
    ("anthropic/js", "anthropic-typescript"),
    ("google-genai-sdk", "google-genai"),
    ("ai-sdk", "vercel-ai-sdk"),
    ("ai/", "vercel-ai-sdk"),
    ("mozilla/", "browser"),
)
_PRODUCT: Final = re.compile(r"[A-Za-z0-9._+-]{1,40}")


@lru_cache(maxsize=256)
def client_name(user_agent: str) -> str:
    """Return the name of the program that sent ``user_agent``.

    For an unknown program this is its product token without the version, in lower case; ``""`` if
    there is none.
    """
    agent = user_agent.strip().lower()
    for beginning, name in _KNOWN:
        if agent.startswith(beginning):
            return name
    found = _PRODUCT.match(agent)
    return found[0] if found else ""
