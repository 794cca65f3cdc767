"""TLS that fails is reported soon and clearly, and locks no account."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol

from antigravity.accounts.lock_rules import rule_for
from antigravity.exchange.attempts.retry import next_step
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.ir.errors import TLS_FAILED, UpstreamError
from antigravity.upstreams.next_address import should_try_next_address
from tests.support.certificates import certificate, trusting
from tests.support.fake_upstream import FakeUpstream, listen, ok, pause
from tests.transport.fixtures import HttpClientCase, with_both_clients


class RawReplyProtocol(Protocol):
    """Accept connections and send ``reply`` to the first data; close where it is None."""

    def __init__(self, factory: RawReplyFactory) -> None:
        self.factory: Any = factory

    def connectionMade(self) -> None:
        self.factory.peers.append(self)

    def dataReceived(self, data: bytes) -> None:
        if self.factory.reply is None:
            self.transport.loseConnection()
        elif self.factory.reply:
            self.transport.write(self.factory.reply)

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True

    gone = False


class RawReplyFactory(Factory):
    noisy = False

    def __init__(self, reply: bytes | None) -> None:
        self.reply = reply
        self.peers: list[RawReplyProtocol] = []

    def buildProtocol(self, addr: Any) -> RawReplyProtocol:
        return RawReplyProtocol(self)


@with_both_clients
class TlsFaults(HttpClientCase):
    async def fails(self, port: int, trusted: Any = None, **limits: float) -> UpstreamError:
        policy = None if trusted is None else trusting(trusted)
        transport = self.make_transport(policy=policy)
        timeouts = Timeouts(**{"connect": 5.0, "first_byte": 5.0, "idle": 5.0, **limits})
        url = f"https://localhost:{port}/v1"
        request = OutgoingRequest("POST", url, (("x-api-key", "sk-a-secret"),), b"x", timeouts)
        try:
            await transport.send(request)
        except UpstreamError as error:
            return error
        raise AssertionError("nothing was raised")

    def serve(self, signed: Any) -> int:
        self.script = FakeUpstream(lambda peer, got: peer.write(ok(b"{}")))
        return listen(self, self.script, signed)

    def check_no_account_locked(self, error: UpstreamError) -> None:
        self.assertEqual(error.code, TLS_FAILED)
        self.assertIsNone(rule_for(error), "no account is locked")
        self.assertTrue(should_try_next_address(error), "another address may do")
        self.assertEqual(next_step(error, 1, repaired=False, luck=0.5).action, "other")
        self.assertEqual(self.script.requests, [], "nothing was sent")

    async def test_self_signed_certificate(self) -> None:
        error = await self.fails(self.serve(certificate("localhost")))
        self.assertIn("self-signed", error.message)
        self.check_no_account_locked(error)

    async def test_expired_certificate(self) -> None:
        expired = certificate("localhost", days=-1)
        error = await self.fails(self.serve(expired), expired)
        self.assertIn("expired", error.message)
        self.check_no_account_locked(error)

    async def test_certificate_of_another_name(self) -> None:
        other = certificate("other.test")
        error = await self.fails(self.serve(other), other)
        self.assertIn("another name", error.message)
        self.check_no_account_locked(error)

    async def test_plain_text_in_place_of_tls(self) -> None:
        self.script = FakeUpstream(lambda peer, got: None)
        error = await self.fails(listen(self, RawReplyFactory(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
        self.assertIn("is it an http address?", error.message)
        self.check_no_account_locked(error)

    async def test_handshake_that_hangs_ends_with_the_limit_for_connecting(self) -> None:
        factory = RawReplyFactory(b"")
        self.script = FakeUpstream(lambda peer, got: None)
        error = await self.fails(listen(self, factory), connect=0.2, first_byte=60)
        self.assertIn("did not complete the TLS handshake within 0.2 s", error.message)
        self.assertIn("upstreams.NAME.timeouts.connect", error.message)
        self.check_no_account_locked(error)
        while not factory.peers[0].gone:
            await pause(0.01)

    async def test_connection_that_is_closed_in_the_handshake(self) -> None:
        error = await self.fails(listen(self, RawReplyFactory(None)))
        self.assertIn("closed the connection", error.message)

    async def test_good_certificate_is_served_over_one_connection(self) -> None:
        good = certificate("localhost")
        port = self.serve(good)
        transport = self.make_transport(policy=trusting(good))
        for _ in range(2):
            request = OutgoingRequest("GET", f"https://localhost:{port}/", ())
            response = await transport.send(request)
            self.assertEqual(await response.collect(10), b"{}")
            await pause(0)
        self.assertEqual(len(self.script.peers), 1)
