"""Collects the body of a stream within limits."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Final

from antigravity.interfaces.payloads import IPayloadSink, RawBody
from antigravity.ir.call import Body

#: The most bytes that are kept of the beginning of a stream, and of its end.
HEAD_LIMIT: Final = 16 * 1024 * 1024
TAIL_LIMIT: Final = 1024 * 1024
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

    __slots__ = ("_dropped", "_hash", "_head", "_reserved", "_sink", "_size", "_tail", "_tail_size")

    def __init__(self, sink: IPayloadSink, content_type: str) -> None:
        self._sink = sink
        self._hash = hashlib.sha256() if is_file(content_type) else None
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = self._size = self._reserved = 0
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
        if not self._sink.reserve(size):
            self._drop()
            return
        self._reserved += size
        if len(self._head) + size <= HEAD_LIMIT and not self._tail:
            self._head += data
            return
        self._tail.append(data)
        self._tail_size += size
        while self._tail_size - len(self._tail[0]) >= TAIL_LIMIT:
            old = len(self._tail.popleft())
            self._tail_size -= old
            self._reserved -= old
            self._sink.release(old)

    def body(self) -> RawBody:
        """Return what was collected."""
        digest = "" if self._hash is None else self._hash.hexdigest()
        return RawBody(
            (memoryview(self._head),) if self._head else (),
            tuple(self._tail),
            self._size,
            self._dropped,
            digest,
            self._reserved,
        )

    def _drop(self) -> None:
        self._sink.release(self._reserved)
        self._dropped, self._reserved = True, 0
        self._head = bytearray()
        self._tail.clear()
