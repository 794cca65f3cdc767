"""The numbered messages of one stream, stored for clients that resume it."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from antigravity.sse import encode_event

_LIMIT: Final = 256 * 1024


class Reader(Protocol):
    """A reader of the messages of a log."""

    def wake(self) -> None:
        """Read the log, because there are new messages or it has ended."""

    def finish(self) -> None:
        """Stop reading, because another reader replaces this one."""


class EventLog:
    """Messages in one direction, which are read from a position.

    Above ``limit`` bytes the oldest messages that were delivered or are expendable (progress, logs)
    are removed; undelivered responses stay.

    :ivar ended: whether the log is complete.
    :ivar delivered: the number of the first message that was not delivered.
    :ivar reader: the current reader, if there is one.
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
        """The size of the stored messages in bytes."""
        return self._size

    def attach(self, reader: Reader) -> None:
        """Make ``reader`` the only reader, so that no message is delivered twice."""
        older, self.reader = self.reader, reader
        if older is not None:
            older.finish()

    def detach(self, reader: Reader) -> None:
        """Remove ``reader``."""
        if self.reader is reader:
            self.reader = None

    def append(self, data: bytes, *, expendable: bool = False) -> None:
        """Add a message; an ``expendable`` one may be removed."""
        if self.ended:
            return
        self._entries.append((self._next, data, expendable))
        self._next += 1
        self._size += len(data)
        self._call()  # first, so that a client that reads gets large messages too
        if self._size > self._limit:
            self._prune()

    def end(self) -> None:
        """Mark the log as complete."""
        if not self.ended:
            self.ended = True
            self._call()

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """Return the stored messages after ``number``, and mark them as delivered."""
        found = [(n, data) for n, data, _ in self._entries if n > number]
        if found:
            self.delivered = max(self.delivered, found[-1][0] + 1)
        return found

    def is_waiting(self, data: bytes) -> bool:
        """Return whether an equal message is still undelivered."""
        return any(held == data for n, held, _ in self._entries if n >= self.delivered)

    def event(self, number: int, data: bytes) -> bytes:
        """Return a message as an event, with an id if the stream has a name."""
        if not self.name:
            return encode_event(b"message", data)
        return b"id: %b\n%b" % (self.event_id(number), encode_event(b"message", data))

    def event_id(self, number: int) -> bytes:
        """Return the event id of a message; number 0 is the position before the first one."""
        return f"{self.name}-{number}".encode()

    def _call(self) -> None:
        if self.reader is not None:
            self.reader.wake()

    def _prune(self) -> None:
        remaining: deque[tuple[int, bytes, bool]] = deque()
        while self._entries and self._size > self._limit:
            entry = self._entries.popleft()
            number, data, expendable = entry
            if expendable or number < self.delivered:
                self._size -= len(data)
            else:
                remaining.append(entry)
        remaining.extend(self._entries)
        self._entries = remaining


def parse_event_id(text: str) -> tuple[str, int] | None:
    """Return the stream and the number in an event id, ``None`` if it is not valid."""
    name, dash, number = text.strip().rpartition("-")
    if not dash or not number.isdecimal() or len(number) > 12:
        return None
    return name, int(number)
