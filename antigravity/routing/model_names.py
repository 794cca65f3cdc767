"""Model names: their plain form, which rules use, and the generation in it.

Brokers and clouds decorate names: ``anthropic/claude-opus-4.6:free``,
``us.anthropic.claude-opus-4-6-v1:0``, ``models/gemini-3-flash``, ``claude-opus-4-5@20251101``.
"""

from __future__ import annotations

import re
from typing import Final

Generation = tuple[int, int]

#: Vendors and regions before a name: words that end with a dot and have no number.
_VENDORS: Final = re.compile(r"^(?:[a-z][a-z-]*\.)+(?=[a-z])")
#: Anything before the family in a name that was derived from one of these.
_DERIVED: Final = re.compile(r"^.*[-_.](?=(?:claude|gemini)-|gpt-\d)")
_DOT: Final = re.compile(r"(?<=\d)\.(?=\d)")
#: ``claude-4.5-sonnet`` and similar; up to 3.7 the number comes first.
_NUMBER_FIRST: Final = re.compile(r"^claude-([4-9])(?:-(\d{1,2}))?-([a-z]+)")
_DASH: Final = re.compile(r"^(gemini|gpt)-(\d)-(\d)(?=-|$)")
_GENERATION: Final = re.compile(r"(?<!\d)(\d{1,2})(?:[.-](\d{1,2}))?(?![\db])")


def plain_name(model: str) -> str:
    """Return a model's name in the spelling of its provider, as far as it can be recognized."""
    name = model.lower().rpartition("/")[2]
    name = name.partition(":")[0].partition("@")[0]
    name = _VENDORS.sub("", name)
    name = _DERIVED.sub("", name)
    if name.startswith("claude"):
        name = _NUMBER_FIRST.sub(_line_first, _DOT.sub("-", name))
    return _DASH.sub(r"\1-\2.\3", name)


def _line_first(match: re.Match[str]) -> str:
    major, minor, line = match.groups()
    return f"claude-{line}-{major}" + (f"-{minor}" if minor else "")


def generation_of(plain: str) -> Generation | None:
    """Return the generation in a plain name, ``(4, 6)`` for claude-opus-4-6; ignore dates."""
    match = _GENERATION.search(plain)
    return None if match is None else (int(match[1]), int(match[2] or 0))


def parse_generation(text: str) -> Generation:
    """Return the generation in a rule, such as ``4.6``.

    :raises ValueError: if it is not a number.
    """
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
