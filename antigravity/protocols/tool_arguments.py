"""Arguments of tool calls as JSON objects, with corrections of models' mistakes."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from antigravity.ir.surrogates import repair_surrogates_in_json, repair_surrogates_in_text

#: How often an object can be encoded as text within text.
_MOST_LAYERS: Final = 3

_CONTROL: Final = re.compile("[\x00-\x1f]")
#: Backslashes with what they escape, quotes and control characters.
_SPECIAL: Final = re.compile(r"\\.|[\"\\\x00-\x1f]", re.DOTALL)


def object_text(arguments: str) -> str | None:
    """Return ``arguments`` as the text of a JSON object; ``None`` if they are not one.

    Nothing, ``null`` and ``""`` become an empty object.  An object that was encoded twice is
    decoded once.  An object is returned unchanged, but for lone surrogates, and for control
    characters in its texts, which are escaped.
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
    """Return whether incomplete arguments are an object, ``None`` if it is too early to say.

    After its brace an object continues with a name in double quotes, or ends.
    """
    text = arguments.lstrip()
    if not text:
        return None
    if text[0] != "{":
        return False
    inner = text[1:].lstrip()
    return inner[0] in '"}' if inner else None


class ControlEscaper:
    """Escapes control characters in the texts of a JSON value that arrives in pieces.

    JSON allows them only between values, but models that write JSON break lines in texts.
    """

    __slots__ = ("_escaped", "_inside")

    def __init__(self) -> None:
        self._inside = False  # a text
        self._escaped = False  # the next character

    def feed(self, piece: str) -> str:
        """Return a piece, in most cases unchanged."""
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
            self._escaped = True  # the escaped character is in the next piece
        elif self._inside and text < " ":
            return json.dumps(text)[1:-1]
        return text
