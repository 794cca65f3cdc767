"""The outline of a JSON text: the same text with its long strings shortened.

Most bytes of a large request are often a few strings, such as images in base64.  Whoever needs
only the structure of the request reads its outline.  :meth:`Outline.restore` puts the strings
back into JSON without reading them, :meth:`Outline.restore_base64` into a decoded string.
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Final

import msgspec

#: A shorter text is its own outline, in bytes.
SHORTEST: Final = 64 * 1024
#: Every string of at least twice so many bytes is found.
_STEP: Final = 8 * 1024
#: What stays of a long string on each side, in bytes.
_KEPT: Final = 512
#: A multiple of so many bytes is left out, so that base64 text needs the same padding as before.
_GROUP: Final = 4
#: What :meth:`Outline.restore_base64` leaves to others: base64 text that may be rewritten.
_REWRITTEN: Final = ("-", "_", " ")
#: What makes part of a text more than one plain string, or a part of its structure.
_STRUCTURE: Final = tuple(b"%c" % each for each in b"\\,[]{}:\n\r\t\0")
_LAST_ASCII: Final = 0x7F
_DIGITS: Final = 8
_TOKEN_BYTES: Final = 12


class Outline:
    """A JSON text with the same structure and shorter strings.

    :ivar text: the outline.  In place of what it leaves out it has random text, which clients
        cannot guess.
    :ivar count: the number of strings that are shortened.
    """

    __slots__ = ("_left_out", "_restored", "_strings", "_token", "count", "text")

    def __init__(self, body: bytes, strings: list[tuple[int, int]], token: bytes) -> None:
        view = memoryview(body)
        gaps = [_gap(begin, end) for begin, end in strings]
        pieces: list[bytes] = []
        done = 0
        for number, (begin, end) in enumerate(gaps):
            pieces += (body[done:begin], token, b"%0*x" % (_DIGITS, number))
            done = end
        pieces.append(body[done:])
        self.text = b"".join(pieces)
        self.count = len(gaps)
        #: Restored strings by their identity, each with its form in the outline.
        self._restored: dict[int, tuple[str, str]] = {}
        self._token = token
        self._left_out = [view[begin:end] for begin, end in gaps]
        self._strings = [view[begin - 1 : end + 1] for begin, end in strings]

    @property
    def left_out(self) -> list[memoryview]:
        """What it leaves out, in the order of the text."""
        return self._left_out

    def restore(self, text: bytes) -> tuple[bytes | memoryview, ...]:
        """Return a text that was made from the outline with what the outline leaves out."""
        begin, *others = text.split(self._token)
        pieces: list[bytes | memoryview] = [begin]
        for other in others:
            pieces += (self._left_out[int(other[:_DIGITS], 16)], other[_DIGITS:])
        return tuple(pieces)

    def restore_base64(self, text: str) -> str | None:
        """Return a string that was decoded from the outline, with what the outline leaves out.

        Both sides of the string may have been changed.  Return ``None`` if nothing was left out,
        or if it is not sure that the whole string would have been changed on its sides only: it
        is not a valid string, not ASCII, or may be base64 text in another alphabet.
        """
        begin, token, end = text.partition(self._token.decode())
        if not token:
            return None
        try:
            string = self._strings[int(end[:_DIGITS], 16)]
            whole = msgspec.json.decode(string, type=str)
        except (msgspec.DecodeError, UnicodeError):
            return None
        if not whole.isascii() or any(each in whole for each in _REWRITTEN):
            return None
        first, last = _gap(0, len(whole))
        end = end[_DIGITS:]
        if not (len(begin) == first and whole.startswith(begin) and whole[last:] == end):
            whole = "".join((begin, whole[first:last], end))
        self._restored[id(whole)] = (whole, text)
        return whole

    def shorten(self, text: str) -> str | None:
        """Return the form in the outline of a string that :meth:`restore_base64` has returned.

        :meth:`restore` puts back what it lacks.  Return ``None`` for any other string, an equal
        one included.
        """
        known = self._restored.get(id(text))
        return known[1] if known is not None else None


def _gap(begin: int, end: int) -> tuple[int, int]:
    """Return the part of a string that is left out."""
    return begin + _KEPT, end - _KEPT - (end - begin) % _GROUP


def outline_of(body: bytes, new_token: Callable[[int], bytes] = urandom) -> Outline | None:
    """Return the outline of a JSON object, ``None`` if no string in it can be shortened.

    This takes 0.1 ms for a megabyte.  A string can be shortened if it has no escapes, and none of
    the characters that JSON has between strings.
    """
    size = len(body)
    if size < SHORTEST or body[:64].lstrip()[:1] != b"{":
        return None
    strings: list[tuple[int, int]] = []
    place, done = _STEP, 0
    while place < size:
        end = body.find(b'"', place)
        if end < 0:
            break
        begin = body.rfind(b'"', done, place) + 1
        if begin and end - begin >= 2 * _STEP and _is_plain(body, begin, end):
            strings.append((begin, end))
        done, place = end, end + _STEP
    if not strings:
        return None
    return Outline(body, strings, new_token(_TOKEN_BYTES).hex().encode())


def _is_plain(body: bytes, begin: int, end: int) -> bool:
    """Return whether a string has no structure behind its beginning, and may be shortened."""
    first, last = _gap(begin, end)
    if any(body[cut] > _LAST_ASCII for cut in (first - 1, first, last - 1, last)):
        return False  # a character may be cut in two
    return all(body.find(each, first, end) < 0 for each in _STRUCTURE)
