"""Collects the body of a stream within limits."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Final

from antigravity.interfaces.payloads import IPayloadSink, RawBody
from antigravity.ir.call import Body

#: The most bytes that are captured of the beginning of a stream, and of its end.  The ledger keeps
#: less of both: what is cut may be a part of a credential.
HEAD_LIMIT: Final = 16 * 1024 * 1024
TAIL_LIMIT: Final = 1024 * 1024 + 128 * 1024
#: Room is reserved by so many bytes.
_BLOCK: Final = 16 * 1024
#: Beginnings of the types of files, of which only the hash is kept.
_FILES: Final = ("audio/", "image/", "video/", "application/octet-stream", "application/pdf")


def is_file(content_type: str) -> bool:
    """Return whether a body of this type is a file, not text."""
    return content_type.strip().lower().startswith(_FILES)


def whole_body(sink: IPayloadSink, body: Body) -> RawBody:
    """Return a body that is complete; it is not copied."""
    pieces = (body,) if isinstance(body, bytes) else body
    size = sum(map(len, pieces))
    if not sink.reserve(size):
        return RawBody(size=size, is_dropped=True)
    return RawBody(pieces, (), size, reserved=size)


class BodyCapture:
    """Collects the pieces of one body."""

    __slots__ = (
        *("_dropped", "_hash", "_head", "_reserved", "_room", "_sink", "_size", "_tail"),
        "_tail_size",
    )

    def __init__(self, sink: IPayloadSink, content_type: str) -> None:
        self._sink = sink
        self._hash = hashlib.sha256() if is_file(content_type) else None
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        #: Bytes that are reserved, and those of them that are not in use yet.
        self._reserved = self._room = 0
        self._tail_size = self._size = 0
        self._dropped = False

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        size = len(data)
        self._size += size
        if self._hash is not None:
            self._hash.update(data)
            return
        if self._dropped:
            return
        if size > self._room and not self._reserve(size):
            self._drop()
            return
        self._room -= size
        if len(self._head) + size <= HEAD_LIMIT and not self._tail:
            self._head += data
            return
        self._tail.append(data)
        self._tail_size += size
        while self._tail_size - len(self._tail[0]) >= TAIL_LIMIT:
            old = len(self._tail.popleft())
            self._tail_size -= old
            self._room += old

    def body(self) -> RawBody:
        """Return what was collected."""
        self._sink.release(self._room)
        self._reserved -= self._room
        self._room = 0
        digest = "" if self._hash is None else self._hash.hexdigest()
        return RawBody(
            (memoryview(self._head),) if self._head else (),
            tuple(self._tail),
            self._size,
            self._dropped,
            digest,
            self._reserved,
        )

    def _reserve(self, size: int) -> bool:
        """Return whether there is room for ``size`` bytes; more is reserved for what follows."""
        wanted = max(size, _BLOCK)
        if not self._sink.reserve(wanted):
            return False
        self._reserved += wanted
        self._room += wanted
        return True

    def _drop(self) -> None:
        self._sink.release(self._reserved)
        self._dropped, self._reserved, self._room = True, 0, 0
        self._head = bytearray()
        self._tail.clear()
