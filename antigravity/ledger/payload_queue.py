"""Payloads that wait for the writer, in limited memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.payloads import IPayloadSink, RawPayloads

#: The most bytes of all payloads in memory, those of running requests included.
MEMORY_LIMIT: Final = 64 * 1024 * 1024
#: The most bytes, and the most requests, that are written in one transaction.
_BATCH_BYTES: Final = 1024 * 1024
_BATCH: Final = 20
#: The most requests that wait.
_QUEUE_LIMIT: Final = 2000


@implementer(IPayloadSink)
class PayloadQueue:
    """Takes payloads, and drops the oldest that wait if there is no room.

    :param ready: called when there is something to write.
    :ivar keeps_all: whether payloads of successful requests are kept.
    :ivar lost: the number of bodies, or payloads of whole requests, that were dropped.
    """

    def __init__(self, ready: Callable[[], None], limit: int = MEMORY_LIMIT) -> None:
        self._ready = ready
        self._limit = limit
        self._used = 0
        self._waiting: deque[RawPayloads] = deque()
        self.keeps_all = False
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def reserve(self, size: int) -> bool:
        """Return whether there is room for so many bytes more; see :class:`IPayloadSink`."""
        while self._used + size > self._limit and self._waiting and size <= self._limit:
            self._drop_oldest()
        if self._used + size > self._limit:
            self.lost += 1
            return False
        self._used += size
        return True

    def release(self, size: int) -> None:
        """Give back so many bytes."""
        self._used -= size

    def put(self, payloads: RawPayloads) -> None:
        """Take the payloads of a finished request."""
        self._waiting.append(payloads)
        if len(self._waiting) > _QUEUE_LIMIT:
            self._drop_oldest()
        self._ready()

    def take(self) -> list[RawPayloads]:
        """Return the next payloads to write; give them to :meth:`written` or :meth:`put_back`."""
        taken: list[RawPayloads] = []
        size = 0
        while self._waiting and len(taken) < _BATCH and size < _BATCH_BYTES:
            size += self._waiting[0].reserved
            taken.append(self._waiting.popleft())
        return taken

    def written(self, taken: list[RawPayloads]) -> None:
        """Give back the room of payloads that were written."""
        for payloads in taken:
            self._used -= payloads.reserved

    def put_back(self, taken: list[RawPayloads]) -> None:
        """Take payloads back that could not be written."""
        self._waiting.extendleft(reversed(taken))

    def clear(self) -> None:
        """Drop all that wait."""
        while self._waiting:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._used -= self._waiting.popleft().reserved
        self.lost += 1
