"""Fakes and builders for the tests of the web application."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import structs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.config.settings import LogSettings, ProxySettings, Settings
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.exchange import IExchange, IReplyStream, Reply
from antigravity.interfaces.files import PublishedFile
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, HttpReply, Route
from antigravity.ir.errors import GatewayError
from antigravity.ir.record import ExchangeRecord
from antigravity.web.app import WebApp

GENERATE = "generate"


class FakeProtocol:
    """Has a name, routes and an error shape of its own."""

    traits = ServerTraits()

    def __init__(self, name: str, *routes: Route) -> None:
        self.name = name
        self.routes = routes

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        body = {"shape": self.name, "message": error.message, "code": error.code}
        return HttpReply(error.status, json.dumps(body).encode())


def protocols() -> list[Any]:
    return [
        FakeProtocol(
            "openai_chat",
            Route("POST", "/v1/chat/completions", "generate"),
            Route("POST", "/v1/completions", "generate", "legacy"),
            Route("GET", "/v1/models", "list_models"),
            Route("GET", "/v1/models/{model}", "get_model"),
        ),
        FakeProtocol("openai_responses", Route("POST", "/v1/responses", "generate")),
        FakeProtocol(
            "anthropic",
            Route("POST", "/v1/messages", "generate"),
            Route("POST", "/v1/messages/count_tokens", "count_tokens"),
            Route("GET", "/v1/models", "list_models"),
            Route("GET", "/v1/models/claude", "list_models", "claude"),
            Route("GET", "/v1/models/{model_id}", "get_model"),
        ),
        FakeProtocol(
            "gemini",
            *(
                route
                for base in ("/v1beta", "/v1")
                for route in (
                    Route("GET", f"{base}/models", "list_models"),
                    Route("GET", base + "/models/{model...}", "get_model"),
                    Route("POST", base + "/models/{model...}:generateContent", "generate"),
                    Route(
                        "POST",
                        base + "/models/{model...}:streamGenerateContent",
                        "generate",
                        "stream",
                    ),
                    Route("POST", base + "/models/{model...}:countTokens", "count_tokens"),
                    Route("POST", base + "/models/{model...}/countTokens", "count_tokens"),
                )
            ),
        ),
    ]


@implementer(IReplyStream, IPushProducer)
class FakeStream:
    """A stream that tests write by hand, noting what happens to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.consumer: Any = None
        self.done: Deferred[None] = Deferred(lambda _: self.happened.append("cancel"))

    def start(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)
        return self.done

    def pauseProducing(self) -> None:
        self.happened.append("pause")

    def resumeProducing(self) -> None:
        self.happened.append("resume")

    def stopProducing(self) -> None:
        self.happened.append("stop")

    def abandon(self) -> None:
        self.happened.append("abandon")

    def write(self, data: bytes) -> None:
        self.consumer.write(data)

    def finish(self) -> None:
        self.consumer.unregisterProducer()
        self.done.callback(None)

    def reply(self) -> Reply:
        return Reply(200, "text/event-stream", (("X-Mapped-Model", "m"),), stream=self)


@implementer(IExchange)
class FakeExchange:
    """Notes calls; responds with what ``answer`` makes of them."""

    def __init__(self) -> None:
        self.calls: list[tuple[IServerProtocol, Call]] = []
        self.cancelled = 0
        self.answer: Callable[[Call], Any] = lambda call: Reply(
            200, "application/json", (), b'{"got":%d}' % len(call.body)
        )
        self.is_ready = True
        self.files: dict[str, PublishedFile] = {}

    def handle(self, protocol: IServerProtocol, call: Call) -> Deferred[Reply]:
        self.calls.append((protocol, call))
        result = self.answer(call)
        return result if isinstance(result, Deferred) else succeed(result)

    def pending(self) -> Deferred[Reply]:
        def cancelled(_: object) -> None:
            self.cancelled += 1

        waiting: Deferred[Reply] = Deferred(cancelled)
        self.answer = lambda call: waiting
        return waiting

    def compute(self, size: int, function: Callable[[], Any]) -> Deferred[Any]:
        return maybeDeferred(function)

    def detect(self, model: str) -> Deferred[dict[str, object]]:
        return succeed({"model": model, "upstream": "u"})

    def running(self) -> list[ExchangeRecord]:
        return []

    def cancel(self, request_id: str, error: GatewayError) -> bool:
        return False

    def published(self, name: str) -> Deferred[PublishedFile | None]:
        return succeed(self.files.get(name))

    def ready(self) -> bool:
        return self.is_ready

    def status(self) -> dict[str, object]:
        return {"reasons": []}

    @property
    def call(self) -> Call:
        assert len(self.calls) == 1, self.calls
        return self.calls[0][1]

    @property
    def protocol(self) -> str:
        assert len(self.calls) == 1, self.calls
        return self.calls[0][0].name


@implementer(ITCPTransport)
class Transport(StringTransport):
    """A transport that notes half-closes and aborts."""

    half_closed = False
    aborted = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


class Response:
    """One parsed HTTP response."""

    def __init__(self, line: str, headers: dict[str, str], body: bytes) -> None:
        _, status, self.phrase = line.split(" ", 2)
        self.status = int(status)
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def parse(wire: bytes) -> list[Response]:
    """Parse responses; strict about framing, so that a test sees every stray byte."""
    found = []
    while wire:
        head, sep, wire = wire.partition(b"\r\n\r\n")
        assert sep, head
        status_line, *lines = head.decode().split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = int(status_line.split()[1])
        body = b""
        if status >= 200 and status not in (204, 304):
            if headers.get("transfer-encoding") == "chunked":
                while True:
                    size, _, wire = wire.partition(b"\r\n")
                    count = int(size, 16)
                    body += wire[:count]
                    assert wire[count : count + 2] == b"\r\n"
                    wire = wire[count + 2 :]
                    if not count:
                        break
            elif "content-length" in headers:
                count = int(headers["content-length"])
                body, wire = wire[:count], wire[count:]
            else:
                body, wire = wire, b""
        found.append(Response(status_line, headers, body))
    return found


def settings(log: bool = False, **proxy: Any) -> Settings:
    return Settings(proxy=ProxySettings(**proxy), log=LogSettings(access=log))


class WebHarness:
    """An application with a fake exchange behind it and one raw connection to it."""

    def __init__(
        self,
        extra_routes: Sequence[Any] = (),
        log: bool = False,
        admin_routes: Sequence[AdminRoute] = (),
        **proxy: Any,
    ) -> None:
        self.exchange = FakeExchange()
        self.settings = settings(log, **proxy)
        self.app = WebApp(
            self.exchange, protocols(), self.settings, extra_routes, admin_routes=admin_routes
        )
        self.clock = Clock()
        self.site = self.app.site(self.clock)
        self.connect()

    def configure(self, **proxy: Any) -> None:
        changed = structs.replace(self.settings.proxy, **proxy)
        self.settings = structs.replace(self.settings, proxy=changed)
        self.app.configure(self.settings)

    def connect(self, host: str = "127.0.0.1") -> None:
        self.transport = Transport(peerAddress=IPv4Address("TCP", host, 5555))
        self.channel = self.site.buildProtocol(self.transport.getPeer())
        self.channel.makeConnection(self.transport)

    def send(self, wire: bytes) -> None:
        self.channel.dataReceived(wire)

    def wire(self) -> bytes:
        return self.transport.value()

    def responses(self) -> list[Response]:
        self.clock.advance(0)  # pipelined requests have a turn of the loop each
        return parse(self.wire())

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *headers: str,
        host: str = "localhost",
    ) -> Response:
        """Send one request on the connection and return the one response to it."""
        self.transport.clear()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        wire = self.wire()
        if method == "HEAD":
            head = wire.split(b"\r\n\r\n")
            assert head[1:] == [b""], wire
            wire = wire.replace(b"Content-Length", b"X-Length")
        (response,) = parse(wire)
        return response

    def lose(self) -> None:
        """Let the client go, in the order in which Twisted's transports tell it."""
        producer = self.transport.producer
        if producer is not None:
            producer.stopProducing()
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.transport.connected = False

    def close(self) -> None:
        """End the connection and check that no timer is left."""
        if self.transport.connected:
            self.lose()
        assert not self.clock.getDelayedCalls()
