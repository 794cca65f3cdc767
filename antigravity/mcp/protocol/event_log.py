"""The messages of one stream, numbered, kept for clients that come back for them."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from antigravity.sse import encode_event

_LIMIT: Final = 256 * 1024


class Reader(Protocol):
    """Who reads a log."""

    def wake(self) -> None:
        """Read on: there is more, or nothing more will come."""

    def finish(self) -> None:
        """Read no more: somebody else does."""


class EventLog:
    """Messages that go one way, read from a cursor.

    Beyond ``limit`` bytes the oldest messages go that were delivered or can be spared
    (progress, logs); answers that nobody has had yet stay.

    :ivar ended: whether nothing more will come.
    :ivar delivered: the number of the next message that no reader has had.
    :ivar reader: who reads now, if anybody does.
    """

    def __init__(self, name: str = "", limit: int = _LIMIT) -> None:
        self.name = name
        self.ended = False
        self.delivered = 1
        self.reader: Reader | None = None
        self._limit = limit
        self._next = 1
        self._size = 0
        self._entries: deque[tuple[int, bytes, bool]] = deque()

    @property
    def size(self) -> int:
        """The bytes that are held."""
        return self._size

    def attach(self, reader: Reader) -> None:
        """Let ``reader`` read, and nobody else: no message goes two ways."""
        older, self.reader = self.reader, reader
        if older is not None:
            older.finish()

    def detach(self, reader: Reader) -> None:
        """Let ``reader`` read no more."""
        if self.reader is reader:
            self.reader = None

    def append(self, data: bytes, *, spare: bool = False) -> None:
        """Add a message; ``spare`` says that the stream makes sense without it."""
        if self.ended:
            return
        self._entries.append((self._next, data, spare))
        self._next += 1
        self._size += len(data)
        if self._size > self._limit:
            self._prune()
        self._call()

    def end(self) -> None:
        """Say that nothing more will come."""
        if not self.ended:
            self.ended = True
            self._call()

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """Return the messages behind ``number`` that are still held, and call them delivered."""
        found = [(n, data) for n, data, _ in self._entries if n > number]
        if found:
            self.delivered = max(self.delivered, found[-1][0] + 1)
        return found

    def is_waiting(self, data: bytes) -> bool:
        """Return whether the same message is there that nobody has had yet."""
        return any(held == data for n, held, _ in self._entries if n >= self.delivered)

    def event(self, number: int, data: bytes) -> bytes:
        """Return a message as an event, with an id if the stream has a name."""
        if not self.name:
            return encode_event(b"message", data)
        return b"id: %b\n%b" % (self.event_id(number), encode_event(b"message", data))

    def event_id(self, number: int) -> bytes:
        """Return the id of a message, 0 for the place before the first one."""
        return f"{self.name}-{number}".encode()

    def _call(self) -> None:
        if self.reader is not None:
            self.reader.wake()

    def _prune(self) -> None:
        kept: deque[tuple[int, bytes, bool]] = deque()
        while self._entries and self._size > self._limit:
            entry = self._entries.popleft()
            number, data, spare = entry
            if spare or number < self.delivered:
                self._size -= len(data)
            else:
                kept.append(entry)
        kept.extend(self._entries)
        self._entries = kept


def parse_event_id(text: str) -> tuple[str, int] | None:
    """Return the stream and the number in an event's id, ``None`` if it is none of ours."""
    name, dash, number = text.strip().rpartition("-")
    if not dash or not number.isdecimal() or len(number) > 12:
        return None
    return name, int(number)
