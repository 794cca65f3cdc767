"""Text of others, made fit for people's eyes: upstreams, servers and clients have a say in it."""

from __future__ import annotations

import re
from typing import Final

#: What a terminal would obey, or show in another order; new lines and tabs are harmless.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: Who reads a log does not want more of one message.
_LONGEST: Final = 2000


def strip_controls(text: str) -> str:
    """Return ``text`` without what could harm a terminal."""
    return _CONTROLS.sub("", text)


def shorten(text: str) -> str:
    """Return the same, and not more of it than a log can bear."""
    text = strip_controls(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
