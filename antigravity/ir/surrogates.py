r"""Halves of UTF-16 surrogate pairs in JSON text.

``"\ud83d"`` is legal JSON, but no character: no UTF-8 text can hold it, and strict parsers
reject it.  Programs that cut text at UTF-16 units (such as JavaScript) send such halves, often a
pair in two events.  A lone half becomes U+FFFD, the replacement character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

_HIGH: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
#: Matches the escape of a half; a pattern that begins with plain text is fast.
_ESCAPED_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: Matches where a lone half is possible: its escape, after any number of backslashes.
_SUSPECT: Final = re.compile(
    rf"{_HIGH}(?!{_LOW})|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F]){_LOW}".encode()
)
#: Matches each escape of a JSON text; the group matches a lone half.
_ESCAPES: Final = re.compile(rf"{_HIGH}{_LOW}|({_HIGH}|{_LOW})|\\.".encode(), re.DOTALL)
_ESCAPES_OF_TEXT: Final = re.compile(rf"{_HIGH}{_LOW}|({_HIGH}|{_LOW})|\\.", re.DOTALL)
#: The same halves in the encoding of UTF-8, in which they are illegal.
_RAW: Final = re.compile(rb"\xed([\xa0-\xbf])([\x80-\xbf])")
_REPLACED: Final = rb"\ufffd"
#: An escape at the end of a fragment that the next one may complete.
_UNFINISHED: Final = re.compile(
    rf"(?<!\\)(?:\\\\)*((?:{_HIGH})?\\(?:u[0-9a-fA-F]{{0,3}})?|{_HIGH})\Z"
)


class TooManySurrogatesError(ValueError):
    """A text with more lone surrogates than may be replaced."""


def escape_raw(data: bytes, most: int | None = None) -> bytes:
    """Return JSON text with halves in (illegal) UTF-8 escaped; in most cases ``data`` itself.

    :raises TooManySurrogatesError: if there are more than ``most`` of them.
    """
    if b"\xed" not in data:
        return data
    if most is not None:
        data, count = _RAW.subn(_escaped, data, most + 1)
        if count > most:
            raise TooManySurrogatesError
        return data
    return _RAW.sub(_escaped, data)


def _escaped(match: re.Match[bytes]) -> bytes:
    unit = 0xD000 | (match[1][0] & 0x3F) << 6 | match[2][0] & 0x3F
    return b"\\u%04x" % unit


def has_escaped_halves(data: bytes) -> bool:
    """Return whether JSON text has escapes of surrogates, of whole pairs or of lone halves."""
    return b"\\" in data and _ESCAPED_HALF.search(data) is not None


def lone_surrogates_in(data: bytes, most: int | None = None) -> list[tuple[int, int]]:
    """Return start and end of the escape of each lone half in JSON text.

    :raises TooManySurrogatesError: if there are more than ``most`` of them.
    """
    if not has_escaped_halves(data) or _SUSPECT.search(data) is None:
        return []
    alone = (found.span(1) for found in _ESCAPES.finditer(data) if found[1] is not None)
    places = list(alone if most is None else islice(alone, most + 1))
    if most is not None and len(places) > most:
        raise TooManySurrogatesError
    return places


def repair_surrogates(data: bytes, most: int | None = None) -> bytes:
    """Return JSON text in which each lone half is U+FFFD; ``data`` itself if there is none.

    :raises TooManySurrogatesError: if there are more than ``most`` of them.
    """
    data = escape_raw(data, most)
    halves = lone_surrogates_in(data, most)
    return replace_all(data, halves) if halves else data


def replace_all(data: bytes, places: list[tuple[int, int]]) -> bytes:
    """Return ``data`` with U+FFFD in the ``places``."""
    return b"".join(_pieces(data, places))


def _pieces(data: bytes, places: list[tuple[int, int]]) -> Iterator[bytes]:
    done = 0
    for begin, end in places:
        yield data[done:begin]
        yield _REPLACED
        done = end
    yield data[done:]


def repair_surrogates_in_text(text: str) -> str:
    """Return text whose own lone halves are U+FFFD; a pair in two halves becomes one character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def repair_surrogates_in_json(text: str) -> str:
    """Return JSON text in which each lone half is U+FFFD, escaped or not."""
    text = repair_surrogates_in_text(text)
    if "\\u" not in text:
        return text
    return _ESCAPES_OF_TEXT.sub(_replaced, text)


def _replaced(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else "\\ufffd"


class FragmentRepairer:
    r"""Repairs JSON text that arrives in fragments, such as the arguments of a call.

    An escape that is not complete yet (``\ud8``, or a first half) is held back.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, fragment: str) -> str:
        """Return the complete part of the text so far, repaired."""
        if not self._held and "\\u" not in fragment and not fragment.endswith("\\"):
            return fragment
        text = self._held + fragment
        found = _UNFINISHED.search(text)
        if found is None:
            self._held = ""
        else:
            text, self._held = text[: found.start(1)], text[found.start(1) :]
        return repair_surrogates_in_json(text)

    def end(self) -> str:
        """Return the rest, repaired."""
        held, self._held = self._held, ""
        return repair_surrogates_in_json(held)


def replace_broken_text(data: bytes) -> bytes:
    """Return bytes with U+FFFD for each that is not UTF-8, the same object if there is none."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data
