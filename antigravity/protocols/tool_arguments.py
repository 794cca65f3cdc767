"""Arguments of tool calls as JSON objects, also where a model wrote something else."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from antigravity.ir.surrogates import repair_surrogates_in_json, repair_surrogates_in_text

#: How often an object may have been written as text within a text.
_MOST_LAYERS: Final = 3

_CONTROL: Final = re.compile("[\x00-\x1f]")
#: Backslashes with what they escape, quotes and control characters.
_SPECIAL: Final = re.compile(r"\\.|[\"\\\x00-\x1f]", re.DOTALL)


def object_text(arguments: str) -> str | None:
    """Return the JSON object that ``arguments`` mean, as text; ``None`` if they mean none.

    Nothing, ``null`` and ``""`` mean an empty object.  An object that was encoded twice, as the
    text of itself, is that object.  What is an object already is returned as it is written, but
    for halves of characters, and for control characters in its texts, which are escaped.
    """
    text = arguments
    for _ in range(_MOST_LAYERS + 1):
        text = text.strip()
        if not text:
            return "{}"
        found = _decoded(text)
        if found is None and (repaired := repair_surrogates_in_json(text)) != text:
            text, found = repaired, _decoded(repaired)
        if found is None and _CONTROL.search(text):
            text = ControlEscaper().feed(text)
            found = _decoded(text)
        if isinstance(found, dict):
            return text
        if not isinstance(found, str):
            return "{}" if text == "null" else None
        text = found
    return None


def wrap_broken(text: str) -> str:
    """Return the JSON object that wraps arguments which are not an object."""
    try:
        return msgspec.json.encode({"raw": text}).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode({"raw": repair_surrogates_in_text(text)}).decode()


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return None


def begins_object(arguments: str) -> bool | None:
    """Return whether arguments that are still coming are an object, ``None`` if it is too early.

    Behind its brace an object goes on with a name in double quotes, or it ends.
    """
    text = arguments.lstrip()
    if not text:
        return None
    if text[0] != "{":
        return False
    inner = text[1:].lstrip()
    return inner[0] in '"}' if inner else None


class ControlEscaper:
    """Escapes control characters within the texts of a JSON value that comes in pieces.

    JSON allows them between its values only, but models that write JSON by themselves break
    lines within texts.
    """

    __slots__ = ("_escaped", "_inside")

    def __init__(self) -> None:
        self._inside = False  # a text
        self._escaped = False  # the next character

    def feed(self, piece: str) -> str:
        """Return a piece, mostly as it came."""
        if "\\" not in piece and not self._escaped and not _CONTROL.search(piece):
            if piece.count('"') & 1:
                self._inside = not self._inside
            return piece
        begin = ""
        if self._escaped and piece:
            self._escaped = False
            begin, piece = piece[0], piece[1:]
        return begin + _SPECIAL.sub(self._replace, piece)

    def _replace(self, found: re.Match[str]) -> str:
        text = found[0]
        if text == '"':
            self._inside = not self._inside
        elif text == "\\":
            self._escaped = True  # what it escapes is in the next piece
        elif self._inside and text < " ":
            return json.dumps(text)[1:-1]
        return text
