"""Clients that HAProxy names by the PROXY protocol, over real sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.web.app import WebApp
from antigravity.web.listener import server_endpoint
from antigravity.web.request import head_of
from tests.web.builders import FakeExchange, parse, protocols, settings

V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Client(Protocol):
    """Sends one request, and collects what comes until the connection is closed."""

    def __init__(self) -> None:
        self.received = b""
        self.closed: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.closed.callback(self.received)


def look(request: Any) -> str:
    head = head_of(request)
    return f"{head.client} {head.loopback}"


class ProxyProtocolTests(TestCase):
    timeout = 60

    async def ask(self, opening: bytes, *headers: str, pause_at: int = 0, **proxy: Any) -> str:
        """Return the response to a request after the line about the client.

        :param pause_at: after so many bytes the others come later.
        """
        configuration = settings(auth_mode="off", **proxy)
        app = WebApp(FakeExchange(), protocols(), configuration, [("GET", "/seen", look)])
        site = app.site(reactor)
        endpoint = server_endpoint(reactor, "haproxy:tcp:0:interface=127.0.0.1")
        port = await endpoint.listen(site)
        self.addCleanup(port.stopListening)
        self.addCleanup(site.close_all)
        client: Client = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), Client()
        )
        lines = ["GET /seen HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        assert client.transport is not None
        client.transport.setTcpNoDelay(True)  # type: ignore[attr-defined]
        client.transport.write(opening[:pause_at])
        if pause_at:
            await deferLater(reactor, 0.01)
        client.transport.write(opening[pause_at:] + "\r\n".join(lines).encode())
        (response,) = parse(await client.closed)
        return response.body.decode()

    async def test_proxy_that_is_not_trusted_is_the_client_and_not_local(self) -> None:
        found = await self.ask(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n")
        self.assertEqual(found, "127.0.0.1 False")

    async def test_client_of_trusted_proxy_counts(self) -> None:
        for kind in ("X-Forwarded-For", "Forwarded"):
            trust: Any = {"trusted_proxies": ["127.0.0.1"], "forwarded_header": kind}
            opening = b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n"
            found = await self.ask(opening, "X-Forwarded-For: 192.0.2.1", **trust)
            self.assertEqual(found, "203.0.113.9 False")
            opening = b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n"
            self.assertEqual(await self.ask(opening, **trust), "2001:db8::9 False")

    async def test_trusted_proxy_may_be_behind_another_one(self) -> None:
        found = await self.ask(
            b"PROXY TCP4 10.0.3.1 10.0.0.1 4711 80\r\n",
            "X-Forwarded-For: 192.0.2.1, 203.0.113.9",
            trusted_proxies=["127.0.0.1", "10.0.3.1"],
        )
        self.assertEqual(found, "203.0.113.9 False")

    async def test_nothing_makes_a_client_local(self) -> None:
        trust = {"trusted_proxies": ["127.0.0.1"]}
        loopback = b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 80\r\n"
        self.assertEqual(await self.ask(loopback, **trust), "127.0.0.1 False")
        unknown = b"PROXY UNKNOWN ::1 ::1 4711 80\r\n"
        self.assertEqual(await self.ask(unknown, **trust), "127.0.0.1 False")
        for pause_at in (0, 3, 8, 13, 14, 15):
            bare = b"PROXY UNKNOWN\r\n"
            found = await self.ask(bare, pause_at=pause_at, **trust)
            self.assertEqual(found, "127.0.0.1 False")
        # version 2, LOCAL: a check of HAProxy's own
        self.assertEqual(await self.ask(V2 + b"\x20\0\0\0", **trust), "127.0.0.1 False")
