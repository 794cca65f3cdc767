"""Makes text from upstreams, servers and clients safe to print."""

from __future__ import annotations

import re
from typing import Final

#: Control characters, and those that change the order of text; line feeds and tabs are safe.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: The longest message in a log, in characters.
_LONGEST: Final = 2000


def strip_controls(text: str) -> str:
    """Return ``text`` without control characters."""
    return _CONTROLS.sub("", text)


def shorten(text: str) -> str:
    """Return ``text`` without control characters, cut to the length for logs."""
    text = strip_controls(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
