"""The requests whose instructions are counted, and the gateway in memory that serves them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httptools
from twisted.python.failure import Failure

from antigravity.app.gateway import Gateway
from antigravity.config.home import FILE_NAME
from antigravity.config.snapshot import load
from antigravity.plugins import PluginHost
from bench.memory_network import MemoryReactor, MemoryTransport, Receive
from bench.programs import gateway_configuration
from bench.requests import RequestSpec
from bench.upstream import fixed_response, response_shape, stream_parts, whole_response
from bench.wire import MARK

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MAX_TURNS: Final = 2000
#: Seconds that pass in a turn in which nothing is due.
_WAIT: Final = 0.01


def _chat(protocol: str, upstream: str) -> RequestSpec:
    return RequestSpec(protocol, upstream, pieces=4)


def _stream(protocol: str, upstream: str) -> RequestSpec:
    return RequestSpec(protocol, upstream, stream=True)


def _session(protocol: str, upstream: str) -> RequestSpec:
    return RequestSpec(protocol, upstream, pieces=4, stream=True, turns=50)


_KINDS: Final = {
    "chat": (
        _chat,
        (
            ("openai", "openai"),
            ("openai", "anthropic"),
            ("anthropic", "gemini"),
            ("anthropic", "internal"),
            ("responses", "openai"),
            ("gemini", "openai"),
        ),
    ),
    "stream": (
        _stream,
        (
            ("openai", "openai"),
            ("anthropic", "anthropic"),
            ("openai", "anthropic"),
            ("anthropic", "gemini"),
            ("responses", "openai"),
        ),
    ),
    "session": (
        _session,
        (("openai", "openai"), ("openai", "anthropic"), ("anthropic", "gemini")),
    ),
}
#: The counted requests by name: small chats, streams of 64 pieces, sessions with 50 tool calls.
SCENARIOS: Final[Mapping[str, RequestSpec]] = {
    f"{kind} {protocol} to {upstream}": build(protocol, upstream)
    for kind, (build, pairs) in _KINDS.items()
    for protocol, upstream in pairs
}


def _serve(transport: MemoryTransport) -> Receive:
    """Return the fake provider of one connection of the gateway."""
    received = bytearray()

    def receive(data: bytes) -> None:
        received.extend(data)
        head, end, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        request = bytes(received)
        received.clear()
        fixed, shape = fixed_response(request), response_shape(request)
        if fixed is not None or not shape.pieces:
            transport.send(fixed or whole_response(shape.name))
            return
        first, texts, last = stream_parts(shape.name, shape.pieces)
        for part in (first, *texts, last):
            transport.send(part)

    return receive


class _Client:
    """The client's side of a connection."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.is_complete = False
        self._parser = httptools.HttpResponseParser(self)

    # httptools calls these by name.
    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = True

    def receive(self, data: bytes) -> None:
        """Receive a part of the response."""
        self._parser.feed_data(data)

    def check(self, spec: RequestSpec) -> None:
        """Check that the response is right.

        :raises RuntimeError: if it is not.
        """
        body = b"".join(self._parts)
        pieces = len(MARK.findall(body))
        if self._parser.get_status_code() != 200 or not spec.has_all_pieces(pieces):
            raise RuntimeError(f"wrong response with {pieces} pieces: {body[:500]!r}")


class GatewayInMemory:
    """The whole gateway, with a client and a fake provider in memory.

    :param more: what is added to its configuration.
    """

    def __init__(self, home: Path, more: str = "") -> None:
        file = home / FILE_NAME
        file.touch(0o600)
        file.write_text(gateway_configuration("http://127.0.0.1:80") + more)
        settings = load(home, environ={}).settings
        plugins = PluginHost(settings.plugins)
        plugins.load(installed=False)
        self._reactor = MemoryReactor(_serve)
        self._gateway = Gateway(self._reactor, settings, home, plugins)
        self._wait(self._gateway.startService())
        self._client = _Client()
        self._transport = self._reactor.accept(lambda data: self._client.receive(data))

    def request(self, spec: RequestSpec, request: bytes, *, check: bool = False) -> None:
        """Send a request, and read the whole response.

        :raises RuntimeError: if there is none, or if ``check`` is set and it is wrong.
        """
        self._client = client = _Client()
        self._transport.send(request)
        self._until(lambda: client.is_complete)
        while not self._reactor.is_idle():
            self._reactor.turn()
        if check:
            client.check(spec)

    def stop(self) -> None:
        """Stop the gateway."""
        self._wait(self._gateway.stopService())

    def _wait(self, deferred: Any) -> None:
        ended: list[object] = []
        deferred.addBoth(ended.append)
        self._until(lambda: bool(ended))
        if isinstance(ended[0], Failure):
            ended[0].raiseException()

    def _until(self, is_done: Any) -> None:
        for _ in range(_MAX_TURNS):
            if is_done():
                return
            self._reactor.turn(_WAIT if self._reactor.is_idle() else 0)
        raise RuntimeError("the gateway in memory does not respond")
