"""Clients that ask again as soon as they are answered, each over one connection."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from bench.upstream import MARK

_MARK = MARK.encode()


@dataclass(frozen=True)
class Ask:
    """What clients ask, by ``protocol``, of who speaks ``upstream``.

    ``stream`` is a number of events, or 0 for a whole answer; they come ``pause`` ms apart.
    ``padding`` is the size of the question in bytes.
    """

    protocol: str
    upstream: str
    stream: int = 0
    padding: int = 1000
    pause: int = 0

    def request(self, port: int) -> bytes:
        """Return the whole request."""
        model = f"{self.upstream}-{self.stream or 1}-{self.pause}"
        text = ("Why is the sky blue? " * (self.padding // 20))[: self.padding]
        body = json.dumps(
            {
                "model": model,
                "stream": bool(self.stream),
                "max_tokens": 1000,
                "messages": [{"role": "user", "content": text}],
            }
        ).encode()
        path = "messages" if self.protocol == "anthropic" else "chat/completions"
        version = "anthropic-version: 2023-06-01\r\n" if self.protocol == "anthropic" else ""
        head = (
            f"POST /v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
            f"User-Agent: bench\r\nAuthorization: Bearer some-key\r\n{version}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Result:
    """What came of it; ``first`` holds the seconds to the first byte of each answer's body."""

    answers: int = 0
    faults: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, ask: Ask, until: float, result: Result) -> None:
        self._request = request
        self._ask = ask
        self._until = until
        self._result = result
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if time.monotonic() >= self._until:
            self._transport.close()
            return
        self._parts: list[bytes] = []
        self._size = 0
        self._end: int | None = None  # the size of the whole answer, if it is known
        self._head = False
        self._first = 0.0
        self._begun = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if not self._head:
            self._read_head()
        if not self._first and self._head and _MARK in data:
            self._first = time.monotonic() - self._begun
        if self._end is not None:
            over = self._size >= self._end
        else:
            over = self._head and b"".join(self._parts[-2:]).endswith(b"\r\n0\r\n\r\n")
        if over:
            self._over(b"".join(self._parts))

    def _read_head(self) -> None:
        data = b"".join(self._parts)
        head, end, _ = data.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = True
        _, found, length = head.lower().partition(b"content-length:")
        if found:
            self._end = len(head) + 4 + int(length.split(b"\r\n")[0])

    def _over(self, answer: bytes) -> None:
        marks = answer.count(_MARK)
        wanted = self._ask.stream
        if not answer.startswith(b"HTTP/1.1 200") or (marks != wanted if wanted else not marks):
            self._result.faults.append(f"{marks} of {wanted} events: {answer[:300]!r}")
            self._transport.close()
            return
        self._result.answers += 1
        self._result.first.append(self._first)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, ask: Ask, clients: int, seconds: float) -> Result:
    """Return what ``clients`` were answered that began new requests for ``seconds``."""
    loop = asyncio.get_running_loop()
    request, result = ask.request(port), Result()
    until = time.monotonic() + seconds
    running = []
    for _ in range(clients):
        _, client = await loop.create_connection(
            lambda: _Client(request, ask, until, result), "127.0.0.1", port
        )
        running.append(client.done)
    await asyncio.gather(*running)
    if result.faults or not result.answers:
        raise RuntimeError(f"answers that are wrong: {result.faults[:1] or 'none came'}")
    return result
