"""TLS, and tunnels through a proxy."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.ir.errors import DeadlineError, UpstreamError
from tests.support.certificates import certificate, trusting
from tests.support.fake_upstream import (
    CHUNKED,
    FakeUpstream,
    Peer,
    Received,
    chunk,
    listen,
    ok,
    pause,
    reactor,
)
from tests.transport.fixtures import HttpClientCase, with_both_clients


class Forward(Protocol):
    """The other half of a tunnel."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def dataReceived(self, data: bytes) -> None:
        self.peer.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.peer.close()


class TlsCase(HttpClientCase):
    def setUp(self) -> None:
        self.certificate = certificate("upstream.test", "127.0.0.1")
        self.trusting = self.make_transport(policy=trusting(self.certificate))

    def serve(self, answer: Any) -> FakeUpstream:
        script = FakeUpstream(answer)
        self.port = listen(self, script, self.certificate)
        return script

    def request(self, host: str = "127.0.0.1", **options: Any) -> OutgoingRequest:
        limits = options.pop("timeouts", Timeouts(5, 5, 5, 0))
        url = f"https://{host}:{self.port}/v1"
        return OutgoingRequest("POST", url, (), b"hello", limits, **options)

    def proxy(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> FakeUpstream:
        """Run a small proxy that connects every name to the TLS server."""

        def connect(peer: Peer, got: Received) -> None:
            if b" 200 " not in answer:
                peer.write(answer)
                return
            peer.buffer = b""
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
            connecting = connectProtocol(endpoint, Forward(peer))

            def connected(forward: Forward) -> None:
                peer.dataReceived = forward.transport.write  # type: ignore[method-assign]
                peer.lost.addCallback(lambda _: forward.transport.abortConnection())
                for byte in answer:  # the head may come in any pieces
                    peer.write(bytes((byte,)))

            connecting.addCallback(connected)

        script = FakeUpstream(connect)
        self.proxy_port = listen(self, script)
        return script

    async def failing(self, awaitable: Any, kind: type[Exception] = UpstreamError) -> Any:
        try:
            await awaitable
        except kind as error:
            return error
        raise AssertionError("nothing was raised")


@with_both_clients
class Tls(TlsCase):
    async def test_trusted_certificate_is_accepted(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(b"safe")))
        response = await self.trusting.send(self.request())
        self.assertEqual(await response.collect(10), b"safe")

    async def test_self_signed_certificate_is_refused_by_default(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"")))
        transport = self.make_transport()
        error = await self.failing(transport.send(self.request()))
        self.assertRegex(str(error), rf"^TLS with 127\.0\.0\.1:{self.port} failed: .")
        self.assertEqual(script.requests, [])

    async def test_a_certificate_of_another_name_is_refused(self) -> None:
        self.certificate = certificate("another.test")
        transport = self.make_transport(policy=trusting(self.certificate))
        script = self.serve(lambda peer, got: peer.write(ok(b"")))
        error = await self.failing(transport.send(self.request()))
        self.assertIn("belongs to another name", str(error))
        self.assertEqual(script.requests, [])

    async def test_plain_http_on_a_tls_port_has_a_hint(self) -> None:
        script = FakeUpstream(lambda peer, got: None)
        self.port = listen(self, script)
        request = self.request(timeouts=Timeouts(5, 0.2, 5, 0))
        await self.failing(self.trusting.send(request))

    async def test_cancelling_closes_the_connection(self) -> None:
        arrived: Deferred[None] = Deferred()
        script = self.serve(lambda peer, got: arrived.callback(None))
        sending = self.trusting.send(self.request())
        await arrived
        sending.cancel()
        await self.failing(sending, CancelledError)
        await script.peers[0].lost

    async def test_aborting_does_not_wait_for_the_other_side(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.trusting.send(self.request())
        script.peers[0].transport.pauseProducing()  # it will not see a close_notify
        response.abort()
        script.peers[0].transport.resumeProducing()
        await script.peers[0].lost

    async def test_connections_are_reused(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"x")))
        for _ in range(3):
            await (await self.trusting.send(self.request())).collect(10)
        self.assertEqual(len(script.peers), 1)


@with_both_clients
class Tunnels(TlsCase):
    async def test_tunnel_is_opened_to_the_name_with_tls_inside(self) -> None:
        server = self.serve(lambda peer, got: peer.write(ok(b"deep")))
        proxy = self.proxy()
        url = f"http://user:pass@127.0.0.1:{self.proxy_port}"
        for _ in range(2):
            response = await self.trusting.send(self.request("upstream.test", proxy=url))
            self.assertEqual(await response.collect(10), b"deep")
        (asked,) = proxy.requests
        self.assertEqual(asked.first, f"CONNECT upstream.test:{self.port} HTTP/1.1")
        expected = base64.b64encode(b"user:pass").decode()
        self.assertEqual(asked.headers["proxy-authorization"], f"Basic {expected}")
        self.assertEqual(server.requests[0].first, "POST /v1 HTTP/1.1")
        self.assertNotIn("proxy-authorization", server.requests[0].headers)

    async def test_refusing_proxy_fails(self) -> None:
        self.serve(lambda peer, got: None)
        proxy = self.proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        url = f"http://user:secret@127.0.0.1:{self.proxy_port}"
        error = await self.failing(self.trusting.send(self.request("upstream.test", proxy=url)))
        self.assertIn("407 Proxy Authentication Required", error.message)
        self.assertIn(f"127.0.0.1:{self.proxy_port}", error.message)
        self.assertNotIn("secret", error.message)
        await proxy.peers[0].lost

    async def test_malformed_response_of_a_proxy_fails(self) -> None:
        self.serve(lambda peer, got: None)
        for answer in (b"SSH-2.0-x\r\n\r\n", b"x" * 20_000):
            self.proxy(answer)
            url = f"http://127.0.0.1:{self.proxy_port}"
            error = await self.failing(self.trusting.send(self.request("up.test", proxy=url)))
            self.assertIn("malformed response", error.message)

    async def test_silent_proxy_reaches_the_connect_limit(self) -> None:
        self.serve(lambda peer, got: None)
        proxy = self.proxy(b"")
        request = self.request(
            "up.test",
            proxy=f"http://127.0.0.1:{self.proxy_port}",
            timeouts=Timeouts(0.1, 5, 5, 0),
        )
        error = await self.failing(self.trusting.send(request), DeadlineError)
        self.assertIn("timeouts.connect", error.message)
        await proxy.peers[0].lost

    async def test_cancelling_while_the_proxy_connects_closes_the_connection(self) -> None:
        self.serve(lambda peer, got: None)
        proxy = self.proxy(b"")
        url = f"http://127.0.0.1:{self.proxy_port}"
        sending = self.trusting.send(self.request("up.test", proxy=url))
        while not proxy.requests:
            await pause(0.01)
        sending.cancel()
        await self.failing(sending, CancelledError)
        await proxy.peers[0].lost

    async def test_unreachable_proxy_fails(self) -> None:
        self.serve(lambda peer, got: None)
        url = "http://127.0.0.1:1"
        error = await self.failing(self.trusting.send(self.request("up.test", proxy=url)))
        self.assertIn("no server listens", error.message)
        self.assertIn("127.0.0.1:1", error.message)
