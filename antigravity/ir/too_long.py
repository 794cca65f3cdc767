"""What upstreams say of a prompt that does not fit: how long it is, and how long it may be."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = r"(\d[\d,]*)"
#: In each, one group for each name in the order of the text.
_SPELLINGS: Final = tuple(
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
#: How Anthropic begins; its clients look for these very words.
PROMPT_TOO_LONG: Final = "prompt is too long"
_OUTPUT_TOO: Final = "exceed context limit"


def sizes(message: str) -> tuple[int, int] | None:
    """Return how many tokens a prompt has and how many it may have, where a message says so.

    Output that was asked for counts as part of the prompt where the message counts it.
    """
    for spelling, order in _SPELLINGS:
        found = spelling.search(message)
        if found is None:
            continue
        named = dict(
            zip(order.split(), (int(n.replace(",", "")) for n in found.groups()), strict=True)
        )
        tokens = named["tokens"] + named.get("output", 0)
        if tokens > named["limit"] > 0:
            return tokens, named["limit"]
    return None


def as_anthropic_says(message: str) -> str:
    """Return a message of any upstream in the words that make clients of Anthropic compact."""
    lower = message.lower()
    if lower.startswith(PROMPT_TOO_LONG) or _OUTPUT_TOO in lower:
        return message
    found = sizes(message)
    if found is None:
        return f"{PROMPT_TOO_LONG}: {message}"
    return f"{PROMPT_TOO_LONG}: {found[0]} tokens > {found[1]} maximum"
