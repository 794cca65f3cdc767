"""The outline of a JSON text: the same text with its long strings shortened.

Most bytes of a large request are often a few strings, such as images in base64.  Whoever needs
only the structure of the request reads its outline, and :meth:`Outline.restore` puts the strings
back without reading them.
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Final

#: A shorter text is its own outline, in bytes.
SHORTEST: Final = 64 * 1024
#: Every string of at least twice so many bytes is found.
_STEP: Final = 8 * 1024
#: What stays of a long string on each side, in bytes.
_KEPT: Final = 512
#: What makes part of a text more than one plain string, or a part of its structure.
_STRUCTURE: Final = tuple(b"%c" % each for each in b"\\,[]{}:\n\r\t\0")
_LAST_ASCII: Final = 0x7F
_DIGITS: Final = 8
_TOKEN_BYTES: Final = 12


class Outline:
    """A JSON text with the same structure and shorter strings.

    :ivar text: the outline.  In place of what it leaves out it has random text, which clients
        cannot guess.
    """

    __slots__ = ("_left_out", "_token", "text")

    def __init__(self, body: bytes, gaps: list[tuple[int, int]], token: bytes) -> None:
        view = memoryview(body)
        pieces: list[bytes] = []
        done = 0
        for number, (begin, end) in enumerate(gaps):
            pieces += (body[done:begin], token, b"%0*x" % (_DIGITS, number))
            done = end
        pieces.append(body[done:])
        self.text = b"".join(pieces)
        self._token = token
        self._left_out = [view[begin:end] for begin, end in gaps]

    def restore(self, text: bytes) -> tuple[bytes | memoryview, ...]:
        """Return a text that was made from the outline with what the outline leaves out."""
        begin, *others = text.split(self._token)
        pieces: list[bytes | memoryview] = [begin]
        for other in others:
            pieces += (self._left_out[int(other[:_DIGITS], 16)], other[_DIGITS:])
        return tuple(pieces)


def outline_of(body: bytes, new_token: Callable[[int], bytes] = urandom) -> Outline | None:
    """Return the outline of a JSON object, ``None`` if no string in it can be shortened.

    This takes 0.1 ms for a megabyte.  A string can be shortened if it has no escapes, and none of
    the characters that JSON has between strings.
    """
    size = len(body)
    if size < SHORTEST or body[:64].lstrip()[:1] != b"{":
        return None
    gaps: list[tuple[int, int]] = []
    place, done = _STEP, 0
    while place < size:
        end = body.find(b'"', place)
        if end < 0:
            break
        begin = body.rfind(b'"', done, place) + 1
        if begin and end - begin >= 2 * _STEP and _is_plain(body, begin + _KEPT, end):
            gaps.append((begin + _KEPT, end - _KEPT))
        done, place = end, end + _STEP
    if not gaps:
        return None
    return Outline(body, gaps, new_token(_TOKEN_BYTES).hex().encode())


def _is_plain(body: bytes, begin: int, end: int) -> bool:
    """Return whether a part of a text has no structure, and may be cut on both sides."""
    cuts = (begin - 1, begin, end - _KEPT - 1, end - _KEPT)
    if any(body[cut] > _LAST_ASCII for cut in cuts):
        return False  # a character may be cut in two
    return all(body.find(each, begin, end) < 0 for each in _STRUCTURE)
