"""Parses upstreams' errors about prompts that do not fit: the prompt's length and the limit."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = r"(\d[\d,]*)"
#: Patterns with the names of their groups, in order.
_PATTERNS: Final = tuple(
    (re.compile(pattern.replace("#", _NUMBER), re.IGNORECASE | re.DOTALL), order)
    for pattern, order in (
        (r"# tokens? > #", "tokens limit"),
        (r"context limit: # \+ # > #", "tokens output limit"),
        (r"context length is # tokens.*?requested # tokens", "limit tokens"),
        (r"context length is # tokens.*?resulted in #", "limit tokens"),
        (r"token count \(?(?:of )?#\)? exceeds .{0,80}?\(?#\)?", "tokens limit"),
        (r"\(# tokens?\) is longer than .{0,80}?\(# tokens", "tokens limit"),
        (r"# tokens?.{0,80}? exceeds? .{0,80}?#", "tokens limit"),
        (r"context length(?: of| is)? #.{0,80}?(?:got|has|have|contains?) #", "limit tokens"),
    )
)
#: The beginning of Anthropic's message, which its clients search for.
PROMPT_TOO_LONG: Final = "prompt is too long"
_OUTPUT_TOO: Final = "exceed context limit"


def prompt_size(message: str) -> tuple[int, int] | None:
    """Return the tokens of a prompt and their limit, if a message names them.

    Requested output counts as part of the prompt if the message counts it.
    """
    for pattern, order in _PATTERNS:
        found = pattern.search(message)
        if found is None:
            continue
        named = dict(
            zip(order.split(), (int(n.replace(",", "")) for n in found.groups()), strict=True)
        )
        tokens = named["tokens"] + named.get("output", 0)
        if tokens > named["limit"] > 0:
            return tokens, named["limit"]
    return None


def in_anthropic_form(message: str) -> str:
    """Return an upstream's message in the form that makes clients of Anthropic compact."""
    lower = message.lower()
    if lower.startswith(PROMPT_TOO_LONG) or _OUTPUT_TOO in lower:
        return message
    found = prompt_size(message)
    if found is None:
        return f"{PROMPT_TOO_LONG}: {message}"
    return f"{PROMPT_TOO_LONG}: {found[0]} tokens > {found[1]} maximum"
