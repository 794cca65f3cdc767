"""Connections that a worker passes on to the main process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.web.app import WebApp
from antigravity.web.connection.head_parser import MAX_HEAD, MAX_HEADERS, ParsedHead
from antigravity.web.listener import server_endpoint
from antigravity.web.relay import Relay, RelayedFactory, encode_head
from tests.support.conditions import eventually
from tests.web.builders import FakeExchange, Response, parse, protocols, settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no Unix sockets")
reactor: Any = default_reactor


class Client(Protocol):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.received = b""
        self.is_closed = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.is_closed = True


class RelayTests(TestCase):
    """A worker that has the routes of the protocols, and a main process that has another one."""

    async def setUp(self) -> None:  # type: ignore[override]
        folder = tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "main.sock"
        self.bodies: list[bytes] = []
        routes = [("GET", "/where", self.where), ("POST", "/echo", self.echo)]
        self.main, self.worker = FakeExchange(), FakeExchange()
        self.main_site = WebApp(self.main, protocols(), settings(), routes).site(reactor)
        self.prepared: list[Deferred[None]] = []
        self.prepare: Any = lambda: succeed(None)
        factory = RelayedFactory(self.main_site, lambda: self.prepare())
        port = await UNIXServerEndpoint(reactor, str(path)).listen(factory)
        self.addCleanup(port.stopListening)
        self.relay = Relay(reactor, path)
        self.site = WebApp(self.worker, protocols(), settings()).site(reactor)
        self.relay.serve(self.site)
        self.port = reactor.listenTCP(0, self.site, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        self.addCleanup(self.main_site.close_all)
        self.addCleanup(self.site.close_all)

    def where(self, request: Any) -> bytes:
        return f"{request.head.peer} {request.head.loopback}".encode()

    def echo(self, request: Any) -> bytes:
        self.bodies.append(request.content.read())
        return b"x" * 300_000

    async def connect(self) -> Client:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        client: Client = await connectProtocol(endpoint, Client())
        return client

    async def ask(self, head: str, body: bytes = b"", client: Client | None = None) -> Response:
        """Send a request, and return the response once the connection is closed."""
        client = client or await self.connect()
        lines = [head, "Host: localhost", f"Content-Length: {len(body)}", "", ""]
        assert client.transport is not None
        client.transport.write("\r\n".join(lines).encode() + body)
        await eventually(lambda: client.is_closed, 20)
        (response,) = parse(client.received)
        return response

    async def test_main_process_serves_what_the_worker_has_not(self) -> None:
        response = await self.ask("GET /where HTTP/1.1")
        self.assertEqual((response.status, response.body), (200, b"127.0.0.1 True"))
        self.assertEqual(response.headers["connection"], "close")
        await eventually(lambda: not self.relay.connections)

    async def test_worker_serves_the_protocols_itself(self) -> None:
        client = await self.connect()
        assert client.transport is not None
        client.transport.write(
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        )
        await eventually(lambda: client.received)
        self.assertEqual((len(self.worker.calls), len(self.main.calls)), (1, 0))
        self.assertNotIn(b"Connection: close", client.received)
        assert not client.is_closed
        # the same connection then asks for something of the main process
        client.received = b""
        response = await self.ask("GET /where HTTP/1.1", client=client)
        self.assertEqual(response.status, 200)

    async def test_large_bodies_pass_in_both_directions(self) -> None:
        body = os.urandom(500_000)
        response = await self.ask("POST /echo HTTP/1.1", body)
        self.assertEqual((response.body, self.bodies), (b"x" * 300_000, [body]))

    async def test_unknown_path_is_refused_by_the_main_process(self) -> None:
        response = await self.ask("GET /nothing HTTP/1.1")
        self.assertEqual((response.status, response.headers["connection"]), (404, "close"))

    async def test_request_waits_for_the_reports_of_workers(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.prepare = lambda: waiting
        asked = Deferred.fromCoroutine(self.ask("GET /where HTTP/1.1"))
        await deferLater(reactor, 0.05, lambda: None)
        assert not asked.called
        waiting.callback(None)
        self.assertEqual((await asked).status, 200)

    async def test_client_that_leaves_meanwhile_is_forgotten(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.prepare = lambda: waiting
        client = await self.connect()
        assert client.transport is not None
        client.transport.write(b"GET /where HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await eventually(lambda: self.relay.connections)
        client.transport.abortConnection()
        await eventually(lambda: not self.relay.connections)
        await deferLater(reactor, 0.05, lambda: None)
        waiting.callback(None)
        await eventually(lambda: not self.main_site.connections)

    async def test_worker_that_ends_closes_what_takes_too_long(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.prepare = lambda: waiting
        client = await self.connect()
        assert client.transport is not None
        client.transport.write(b"GET /where HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await eventually(lambda: self.relay.connections)
        await self.relay.finish(0.1)
        await eventually(lambda: client.is_closed)
        waiting.callback(None)
        await deferLater(reactor, 0.05, lambda: None)
        await eventually(lambda: not self.main_site.connections)

    async def test_largest_head_is_passed_on_whatever_the_worker_adds(self) -> None:
        endpoint = server_endpoint(reactor, "haproxy:tcp:0:interface=127.0.0.1")
        self.port = await endpoint.listen(self.site)
        self.addCleanup(self.port.stopListening)
        most = [f"X-{number}: 1" for number in range(MAX_HEADERS - 1)]
        size = MAX_HEAD - len("GET /where HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n")
        for headers in (most, ["X: " + "x" * size]):
            client = await self.connect()
            assert client.transport is not None
            head = ["GET /where HTTP/1.1", "Host: localhost", *headers, "", ""]
            opening = "PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n"
            client.transport.write((opening + "\r\n".join(head)).encode())
            await eventually(lambda client=client: client.is_closed)
            (response,) = parse(client.received)
            self.assertEqual(response.status, 200)

    async def test_line_without_end_is_not_read_on(self) -> None:
        path = self.relay._endpoint._path
        client: Client = await connectProtocol(UNIXClientEndpoint(reactor, path), Client())
        assert client.transport is not None
        client.transport.write(b"x" * 5000)
        await eventually(lambda: client.is_closed)


def test_head_is_passed_on_as_it_came() -> None:
    parsed = ParsedHead("GET", "/x?y=%2F", "HTTP/1.1", [("Host", " localhost"), ("X-É", " é")])
    assert encode_head(parsed) == (
        b"GET /x?y=%2F HTTP/1.1\r\nHost: localhost\r\nX-\xc9: \xe9\r\nConnection: close\r\n\r\n"
    )
