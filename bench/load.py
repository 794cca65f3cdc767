"""Clients that send requests one after the other, each over one connection."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from bench.upstream import MARK

_MARK = MARK.encode()


@dataclass(frozen=True)
class RequestSpec:
    """The request that clients send: the client's ``protocol``, and that of the ``upstream``.

    ``stream`` is the number of events of a streamed response, which are ``pause`` ms apart; 0 is a
    whole response.  ``padding`` is the size of the user's message in bytes.
    """

    protocol: str
    upstream: str
    stream: int = 0
    padding: int = 1000
    pause: int = 0

    def request(self, port: int) -> bytes:
        """Return the bytes of the request."""
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
    """The result of a load.

    ``responses`` is the number of complete responses, ``faults`` describes the wrong ones, and
    ``first`` has the seconds to the first text of each response.
    """

    responses: int = 0
    faults: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, spec: RequestSpec, until: float, result: Result) -> None:
        self._request = request
        self._spec = spec
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
        self._end: int | None = None  # the size of the whole response, if it is known
        self._has_head = False
        self._first_text_after = 0.0
        self._sent_at = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if not self._has_head:
            self._read_head()
        if not self._first_text_after and self._has_head and _MARK in data:
            self._first_text_after = time.monotonic() - self._sent_at
        if self._end is not None:
            is_complete = self._size >= self._end
        else:
            is_complete = self._has_head and b"".join(self._parts[-2:]).endswith(b"\r\n0\r\n\r\n")
        if is_complete:
            self._check(b"".join(self._parts))

    def _read_head(self) -> None:
        data = b"".join(self._parts)
        head, end, _ = data.partition(b"\r\n\r\n")
        if not end:
            return
        self._has_head = True
        _, found, length = head.lower().partition(b"content-length:")
        if found:
            self._end = len(head) + 4 + int(length.split(b"\r\n")[0])

    def _check(self, response: bytes) -> None:
        marks = response.count(_MARK)
        expected = self._spec.stream
        if not response.startswith(b"HTTP/1.1 200") or (
            marks != expected if expected else not marks
        ):
            self._result.faults.append(f"{marks} of {expected} events: {response[:300]!r}")
            self._transport.close()
            return
        self._result.responses += 1
        self._result.first.append(self._first_text_after)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, spec: RequestSpec, clients: int, seconds: float) -> Result:
    """Send requests with so many ``clients`` for ``seconds``, and return the result.

    :raises RuntimeError: if a response is wrong, or there is none.
    """
    loop = asyncio.get_running_loop()
    request, result = spec.request(port), Result()
    until = time.monotonic() + seconds
    running = []
    for _ in range(clients):
        _, client = await loop.create_connection(
            lambda: _Client(request, spec, until, result), "127.0.0.1", port
        )
        running.append(client.done)
    await asyncio.gather(*running)
    if result.faults or not result.responses:
        raise RuntimeError(f"wrong response: {result.faults[0] if result.faults else 'none'}")
    return result
