"""Events that repeat an earlier one with another text.  Sans-IO."""

from __future__ import annotations

import re
from typing import Final

from antigravity.context.estimate import ASCII_PER_TOKEN
from antigravity.exchange.streams.bounds import ITEM_LIMIT
from antigravity.exchange.streams.lone_surrogates import is_sound_text

#: The beginning of a text that nothing but the client reads.
_OPENING: Final = re.compile(rb'"(?:content|text|delta)" ?: ?"')
#: Texts that a search for errors would find, as they are also names of events and types.
_ERRORS: Final = frozenset((b"error", b"errors"))
_BACKSLASH: Final = ord("\\")
_CR: Final = ord("\r")


class RepeatedDelta:
    """The bytes of an event before and after its text.

    An event with the same bytes and another text has the same members, and its text cannot end
    early, as it has no quote and no escape sequence.  What is true of the first event without
    looking at its text is therefore true of the other.

    :param text: the bytes of the first event's text.
    :ivar size: the bytes of the events that have passed since; who matches them adds to it.
    """

    __slots__ = (
        *("_fixed", "_joint", "_lines", "_prefix", "_quotes", "_returns", "_suffix", "_text"),
        "size",
    )

    def __init__(self, prefix: bytes, suffix: bytes, text: int = 0) -> None:
        self.size = 0
        self._text = text
        self._prefix = prefix
        self._suffix = suffix
        self._fixed = len(prefix) + len(suffix)
        self._joint = joint = suffix + prefix
        self._quotes, self._lines = joint.count(b'"'), joint.count(b"\n")
        self._returns = joint.count(b"\r")

    def estimate_tokens(self) -> float:
        """Return about how many tokens have passed, if other texts are as long as the first one.

        An event is at least one.
        """
        events = self.size / (self._fixed + self._text)
        return events * max(1.0, self._text / ASCII_PER_TOKEN)

    def matches(self, data: bytes) -> bool:
        """Return whether a chunk consists of such events."""
        prefix, suffix = self._prefix, self._suffix
        if not (data.startswith(prefix) and data.endswith(suffix)):
            return False
        if not self._fixed <= len(data) <= ITEM_LIMIT:
            return False
        inner = data[len(prefix) : len(data) - len(suffix)]
        if inner.find(b'"') < 0:
            if inner.find(b"\n") >= 0 or _CR in inner or inner in _ERRORS:
                return False
        else:
            texts = inner.split(self._joint)
            joints = len(texts) - 1
            if inner.count(b'"') != joints * self._quotes:
                return False  # a text has a quote, or an event is another one
            if inner.count(b"\n") != joints * self._lines:
                return False
            if inner.count(b"\r") != joints * self._returns or not _ERRORS.isdisjoint(texts):
                return False
        return _BACKSLASH not in inner and (inner.isascii() or is_sound_text(inner))


def repeated_delta(event: bytes) -> RepeatedDelta | None:
    """Return what events like ``event``, in the usual form, have in common with it.

    ``None`` if it has no text that may change.
    """
    found = _OPENING.search(event)
    if found is None or _BACKSLASH in event:
        return None
    begin = found.end()
    end = event.find(b'"', begin)
    if event[end + 1 : end + 2] not in (b"}", b","):
        return None
    return RepeatedDelta(event[:begin], event[end:], end - begin)
