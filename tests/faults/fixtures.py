"""A gateway and a simulator on real sockets, and a client that sees every byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ProxySettings,
    SchedulingSettings,
    Settings,
    TimeoutSettings,
    UpstreamSettings,
)
from antigravity.exchange.attempts import retry
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

reactor: Any = default_reactor

#: How each client protocol is reached: the kind of upstream, and a model.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "openai_chat": ({"kind": "openai", "apis": ["chat"]}, "gpt-4.1"),
    "openai_responses": ({"kind": "openai", "apis": ["responses"]}, "gpt-4.1"),
    "anthropic": ({"kind": "anthropic"}, "claude-sonnet-4-5"),
    "gemini": ({"kind": "gemini_api"}, "gemini-2.5-flash"),
    "gemini_interactions": (
        {"kind": "gemini_api", "quirks": ["interactions", "no_generate_content"]},
        "gemini-2.5-flash",
    ),
}
#: Each server protocol over its own kind of upstream and over another one.
WAYS = [
    ("openai_chat", "openai_chat"),
    ("openai_chat", "anthropic"),
    ("openai_completions", "openai_chat"),
    ("openai_completions", "gemini"),
    ("openai_responses", "openai_responses"),
    ("openai_responses", "gemini"),
    ("anthropic", "anthropic"),
    ("anthropic", "openai_responses"),
    ("gemini_interactions", "gemini_interactions"),
    ("gemini_interactions", "anthropic"),
    ("openai_responses", "gemini_interactions"),
    ("gemini", "gemini"),
    ("gemini", "openai_chat"),
]
NATIVE = [way for way in WAYS if way[0] == way[1]]


def upstream_of(way: tuple[str, str]) -> str:
    """Return the name of a way's own upstream: what befalls one account befalls no other way."""
    return f"{way[0]}-to-{way[1]}"


def model_of(way: tuple[str, str]) -> str:
    """Return a model that is served in one way only."""
    return f"{upstream_of(way)}/{KINDS[way[1]][1]}"


def path_and_body(protocol: str, model: str, prompt: str, *, stream: bool) -> tuple[str, Any]:
    """Return the path and the body of a request with one prompt."""
    said = [{"role": "user", "content": prompt}]
    match protocol:
        case "openai_chat":
            return "/v1/chat/completions", {"model": model, "messages": said, "stream": stream}
        case "openai_completions":
            return "/v1/completions", {"model": model, "prompt": prompt, "stream": stream}
        case "openai_responses":
            return "/v1/responses", {"model": model, "input": prompt, "stream": stream}
        case "anthropic":
            body = {"model": model, "messages": said, "stream": stream, "max_tokens": 4000}
            return "/v1/messages", body
        case "gemini_interactions":
            return "/v1beta/interactions", {"model": model, "input": prompt, "stream": stream}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"parts": [{"text": prompt}]}]}


class ClientConnection(Protocol):
    """One connection of a client; ``closed`` fires when it is gone."""

    def __init__(self) -> None:
        self.data = b""
        self.closed: Deferred[None] = Deferred()
        self._waiting: list[tuple[bytes, Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        for wanted, waiting in list(self._waiting):
            if wanted in self.data:
                self._waiting.remove((wanted, waiting))
                waiting.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        for _, waiting in self._waiting:
            waiting.callback(None)
        self._waiting = []
        self.closed.callback(None)

    def until(self, wanted: bytes) -> Deferred[None]:
        """Return a Deferred that fires when ``wanted`` has come, or nothing can any more."""
        waiting: Deferred[None] = Deferred()
        if wanted in self.data or self.closed.called:
            waiting.callback(None)
        else:
            self._waiting.append((wanted, waiting))
        return waiting


class HttpResponse:
    """What came back on a connection, taken apart by hand."""

    def __init__(self, data: bytes) -> None:
        head, blank, rest = data.partition(b"\r\n\r\n")
        assert blank, f"no whole head: {data[:200]!r}"
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self.whole = True
        if self.headers.get("transfer-encoding") == "chunked":
            rest = self._unchunked(rest)
        else:
            self.whole = len(rest) == int(self.headers.get("content-length", len(rest)))
        self.body = rest

    def _unchunked(self, rest: bytes) -> bytes:
        body = b""
        while True:
            size, line_end, rest = rest.partition(b"\r\n")
            if not line_end:
                self.whole = False
                return body
            length = int(size, 16)
            if length == 0:
                return body
            body, rest = body + rest[:length], rest[length + 2 :]

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[tuple[str, Any]]:
        """Return name and data of each event; comments are left out."""
        found = []
        for block in self.body.decode().replace("\r\n", "\n").split("\n\n"):
            lines = [line for line in block.split("\n") if line and not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines)
            if "data" in fields:
                data = fields["data"]
                value = data if data == "[DONE]" else json.loads(data)
                found.append((fields.get("event", ""), value))
        return found


class FaultCase(TestCase):
    """Starts simulator and gateway; trial asserts that nothing is left of them."""

    timeout = 120

    def setUp(self) -> None:
        # Nobody has to see the pauses; what is waited for is tested with a clock.
        for name in ("SERVER_PAUSES", "CAPACITY_PAUSES", "SOON", "LIMIT_MARGIN"):
            self.patch(retry, name, 0.01)
        self.connections: list[ClientConnection] = []
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        self.gateway: Gateway | None = None
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.stop()))

    async def start(
        self,
        *,
        upstream: dict[str, Any] | None = None,
        timeouts: TimeoutSettings | None = None,
        address: str = "",
        **proxy: Any,
    ) -> None:
        """Start a gateway, in place of one that runs; ``upstream`` and ``proxy`` are settings."""
        await self.stop()
        base = {
            "base_url": address or self.address,
            "api_key": Secret("sk-good"),
            **(upstream or {}),
        }
        if timeouts is not None:
            base["timeouts"] = timeouts
        door = {
            "port": 0,
            "shutdown_grace": 2.0,
            "scheduling": SchedulingSettings(max_wait_seconds=0),
            **proxy,
        }
        settings = Settings(
            proxy=replace(ProxySettings(), **door),
            upstreams={
                upstream_of(way): UpstreamSettings(**{**KINDS[way[1]][0], **base}) for way in WAYS
            },
        )
        plugins = PluginHost()
        plugins.load(installed=False)
        home = Path(self.mktemp())
        home.mkdir()
        self.gateway = Gateway(reactor, settings, home, plugins)
        await self.gateway.startService()
        listener: Any = self.gateway.listener
        self.port = listener.ports[0].getHost().port

    def watched(self) -> list[Any]:
        """Return a list that will hold the records of all exchanges of the gateway that runs."""
        assert self.gateway is not None
        records: list[Any] = []
        drain = self.gateway.drain
        leave = drain.leave

        def left(record: Any) -> None:
            records.append(record)
            leave(record)

        self.patch(drain, "leave", left)
        return records

    async def stop(self) -> None:
        """Stop the gateway, and leave nothing behind."""
        for connection in self.connections:
            if not connection.closed.called:
                connection.transport.abortConnection()  # type: ignore[union-attr]
                await connection.closed
        self.connections = []
        if self.gateway is not None and self.gateway.running:
            await self.gateway.stopService()
        # The far ends of connections that were just closed see it in the next turns.
        await deferLater(reactor, 0.01)

    async def connect(self) -> ClientConnection:
        """Return a new connection to the gateway."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        reading: ClientConnection = await connectProtocol(endpoint, ClientConnection())
        self.connections.append(reading)
        return reading

    async def send(
        self, path: str, body: Any, *, keep: bool = False, headers: tuple[str, ...] = ()
    ) -> ClientConnection:
        """Send a request on a new connection."""
        reading = await self.connect()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            *headers,
        ]
        if not keep:
            lines.append("Connection: close")
        reading.transport.write("\r\n".join([*lines, "", ""]).encode() + data)  # type: ignore[union-attr]
        return reading

    async def begin(
        self, way: tuple[str, str], prompt: str, *, stream: bool = True
    ) -> ClientConnection:
        """Send a prompt by one protocol to an upstream of another."""
        return await self.send(*path_and_body(way[0], model_of(way), prompt, stream=stream))

    async def ask(self, way: tuple[str, str], prompt: str, *, stream: bool = True) -> HttpResponse:
        """Send a prompt and return the whole answer."""
        reading = await self.begin(way, prompt, stream=stream)
        await reading.closed
        return HttpResponse(reading.data)


# -- the shapes of errors ---------------------------------------------------------------------


def check_refusal(protocol: str, answer: HttpResponse, status: int | None = None) -> Any:
    """Assert that a refusal has the protocol's shape; return its error object."""
    assert answer.whole
    assert answer.headers["content-type"].startswith("application/json")
    if status is not None:
        assert answer.status == status, (answer.status, answer.body)
    return check_error_object(protocol, answer.json(), answer.status)


def check_error_object(protocol: str, body: Any, status: int | None = None) -> Any:
    """Assert that an object is an error of the protocol; return what it says."""
    error = body["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    if protocol == "anthropic":
        assert body["type"] == "error"
        assert error["type"].endswith("_error") or error["type"] == "request_too_large"
    elif protocol == "gemini":
        assert error["status"].isupper()
        assert isinstance(error["code"], int)
        assert status in (None, error["code"])  # none: the error is in a stream
    elif protocol == "gemini_interactions":
        assert error["code"].islower()
    else:
        assert {"message", "type", "param", "code"} <= set(error)
    return error


def check_broken_stream(protocol: str, answer: HttpResponse) -> Any:
    """Assert that a begun stream ends with the protocol's error event; return the error."""
    assert answer.status == 200
    assert answer.whole, "the transfer ends in order, for the error is in the stream"
    events = answer.events()
    if events[-1][1] == "[DONE]":
        events.pop()
    if protocol in ("openai_chat", "openai_completions"):
        return check_error_object(protocol, events[-1][1])
    name, body = events[-1]
    if protocol == "openai_responses":
        # The upstream's own error ends a passed stream as it was sent, ``error`` or
        # ``response.failed``; the gateway's own is the first for passed streams, else the second.
        assert name in ("error", "response.failed")
        error = body["response"]["error"] if name == "response.failed" else body
        assert error["message"]
        return error
    if protocol in ("anthropic", "gemini_interactions"):
        assert name == "error"
    return check_error_object(protocol, body)


def check_complete(protocol: str, answer: HttpResponse, text: str) -> None:
    """Assert that a stream told ``text`` and ended as the protocol demands."""
    assert answer.status == 200, answer.body
    assert answer.whole
    assert text in answer.body.decode()
    name, last = answer.events()[-1]
    if protocol in ("openai_chat", "openai_completions", "gemini_interactions"):
        assert last == "[DONE]"
        assert protocol != "gemini_interactions" or b"interaction.completed" in answer.body
    elif protocol == "openai_responses":
        assert name == "response.completed"
    elif protocol == "anthropic":
        assert name == "message_stop"
    else:
        assert last["candidates"][0]["finishReason"] == "STOP"
