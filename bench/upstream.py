"""A cheap fake provider: ``python -m bench.upstream PORT [CERTIFICATE KEY]``.

The name of the model determines the response: ``openai-64-0`` has 64 pieces of text at once,
``openai-20-100`` has 20 pieces that are 100 ms apart.  With a certificate it speaks TLS.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import time
from dataclasses import dataclass
from functools import cache

from bench.loops import new_loop
from bench.wire import FORMATS, Pieces, format_of_path

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SHAPE = re.compile(rb"(?:openai|responses|anthropic|gemini|internal|pooled)-(\d+)-(\d+)")
_STREAM = re.compile(rb'"stream": ?true|:streamGenerateContent')
_READ_OF_BODY = 4096
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
#: The responses of Code Assist's other endpoints.
_FIXED = {
    "/token": b'{"access_token":"none","expires_in":86400,"token_type":"Bearer"}',
    "/v1internal:loadCodeAssist": b'{"cloudaicompanionProject":"bench","currentTier":{"id":"x"}}',
}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@cache
def whole_response(name: str) -> bytes:
    """Return a whole response in the wire format ``name``, with its head."""
    body = FORMATS[name].whole()
    return _JSON % len(body) + body


@cache
def _pieces(name: str, count: int) -> Pieces:
    return FORMATS[name].stream(count)


@cache
def stream_parts(name: str, count: int) -> tuple[bytes, list[bytes], bytes]:
    """Return a streamed response: its head and first events, the pieces of text, and the end."""
    pieces = _pieces(name, count)
    texts = [_chunk(pieces.text(number, 0)) for number in range(count)]
    return _EVENTS + _chunk(pieces.first), texts, _chunk(pieces.last) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Shape:
    """The response that a request asks for: its wire format and its pieces of text.

    ``pieces`` is 0 for a whole response; ``pause`` is the time between two, in seconds.
    """

    name: str
    pieces: int = 0
    pause: float = 0.0


def response_shape(request: bytes) -> Shape:
    """Return the response that ``request`` asks for."""
    path = request[: request.index(b"\r\n")].split()[1].decode()
    name = format_of_path(path)
    # Encoders put model and switch at either end of large bodies.
    text = request
    if len(request) > 2 * _READ_OF_BODY:
        text = request[:_READ_OF_BODY] + request[-_READ_OF_BODY:]
    shape = _SHAPE.search(text)
    if shape is None or not _STREAM.search(text):
        return Shape(name)
    return Shape(name, int(shape[1]), int(shape[2]) / 1000)


def fixed_response(request: bytes) -> bytes | None:
    """Return the response of an endpoint that serves no model, ``None`` for another one."""
    path = request[: request.index(b"\r\n")].split()[1].decode()
    body = _FIXED.get(path.partition("?")[0])
    return None if body is None else _JSON % len(body) + body


class Upstream(asyncio.Protocol):
    """One connection; requests have a ``Content-Length``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Prepare to receive requests."""
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._missing: int | None = None

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        self._parts.append(data)
        if self._missing is None:
            data = b"".join(self._parts)
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(head)
            self._parts = [data]
            self._missing = (int(length[1]) if length else 0) - len(body)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            request = b"".join(self._parts)
            self._parts, self._missing = [], None
            self._respond(request)

    def _respond(self, request: bytes) -> None:
        fixed = fixed_response(request)
        shape = response_shape(request)
        if fixed is not None or not shape.pieces:
            self._transport.write(fixed or whole_response(shape.name))
            return
        self._transport.write(stream_parts(shape.name, shape.pieces)[0])
        if shape.pause:
            self._send_paced(shape, 0, self._loop.time())
        else:
            self._send_next(shape, 0)

    def _send_next(self, shape: Shape, number: int) -> None:
        """Send one event per turn of the loop, each with its own call of the system."""
        if self._transport.is_closing():
            return
        _, texts, last = stream_parts(shape.name, shape.pieces)
        if number == shape.pieces:
            self._transport.write(last)
            return
        self._transport.write(texts[number])
        self._loop.call_soon(self._send_next, shape, number + 1)

    def _send_paced(self, shape: Shape, number: int, due: float) -> None:
        if self._transport.is_closing():
            return
        if number == shape.pieces:
            self._transport.write(stream_parts(shape.name, shape.pieces)[2])
            return
        text = _pieces(shape.name, shape.pieces).text(number, time.monotonic_ns())
        self._transport.write(_chunk(text))
        due += shape.pause
        self._loop.call_at(due, self._send_paced, shape, number + 1, due)


async def _serve(port: int, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=4096, ssl=tls)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is stopped."""
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[2], sys.argv[3])
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), tls))


if __name__ == "__main__":
    main()
