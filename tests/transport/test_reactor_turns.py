"""Effects within one reactor turn, and timers, with a fake clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from antigravity.config.settings import HttpClientName
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.ir.errors import DeadlineError
from antigravity.transport.body_producer import PIECE, BodyProducer
from antigravity.transport.client import HttpTransport

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
USUAL = Timeouts(20, 300, 300, 0)


@implementer(IAgentEndpointFactory)
class ToAnAddress:
    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor

    def endpointForURI(self, uri: Any) -> TCP4ClientEndpoint:
        return TCP4ClientEndpoint(self.reactor, "192.0.2.1", 80, timeout=1000)


class Reader(Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason.value


class Turns(SynchronousTestCase):
    http_client: HttpClientName = "httptools"

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.transport = HttpTransport(
            self.reactor, endpoints=ToAnAddress(self.reactor), http_client=self.http_client
        )

    def send(self, limits: Timeouts = USUAL) -> Deferred[Any]:
        return self.transport.send(OutgoingRequest("POST", "http://h/p", (), b"{}", limits))

    def connect(self) -> tuple[Any, StringTransport]:
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(None)
        wire = StringTransport()
        protocol.makeConnection(wire)
        return protocol, wire

    def test_cancelling_aborts_the_connection_at_once(self) -> None:
        sending = self.send()
        _, wire = self.connect()
        sending.cancel()
        self.failureResultOf(sending, CancelledError)
        self.assertTrue(wire.disconnected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelling_while_connecting_stops_the_attempt(self) -> None:
        sending = self.send()
        sending.cancel()
        self.failureResultOf(sending, CancelledError)
        self.assertTrue(self.reactor.connectors[-1].stoppedConnecting)
        self.assertEqual(self.transport.active, set())

    def test_stopping_a_body_aborts_the_connection_at_once(self) -> None:
        sending = self.send(Timeouts(20, 300, 300, 600))
        protocol, wire = self.connect()
        protocol.dataReceived(HEAD + b"1\r\na\r\n")
        reader = Reader()
        self.successResultOf(sending).deliver(reader)
        reader.transport.stopProducing()
        self.assertTrue(wire.disconnected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_slow_connection_reaches_the_connect_limit(self) -> None:
        sending = self.send()
        self.reactor.advance(19.9)
        self.assertNoResult(sending)
        self.reactor.advance(0.1)
        error = self.failureResultOf(sending, DeadlineError).value
        self.assertIn("no connection to h:80 within 20 s", error.message)
        self.assertIn("upstreams.NAME.timeouts.connect", error.message)
        self.assertEqual(error.code, "connect_timeout")

    def test_limit_of_zero_is_no_limit(self) -> None:
        sending = self.send(Timeouts(0, 0, 0, 0))
        self.connect()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        sending.cancel()
        self.failureResultOf(sending)

    def test_reading_sets_no_timers(self) -> None:
        sending = self.send(Timeouts(20, 300, 10, 0))
        protocol, _ = self.connect()
        protocol.dataReceived(HEAD)
        reader = Reader()
        self.successResultOf(sending).deliver(reader)
        (timer,) = self.reactor.getDelayedCalls()
        for _ in range(9):
            self.reactor.advance(1)
            protocol.dataReceived(b"1\r\na\r\n")
            self.assertEqual(self.reactor.getDelayedCalls(), [timer])
        self.reactor.advance(9.5)
        self.assertIsNone(reader.reason)
        self.reactor.advance(0.5)
        self.assertIsInstance(reader.reason, DeadlineError)
        self.assertIn("sent nothing for 10 s", str(reader.reason))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_idle_time_starts_again_when_the_reader_resumes(self) -> None:
        sending = self.send(Timeouts(20, 300, 10, 0))
        protocol, _ = self.connect()
        protocol.dataReceived(HEAD)
        reader = Reader()
        self.successResultOf(sending).deliver(reader)
        reader.transport.pauseProducing()
        for _ in range(10):
            self.reactor.advance(9)
        reader.transport.resumeProducing()
        self.reactor.advance(9)
        self.assertIsNone(reader.reason)
        self.reactor.advance(10)
        self.assertIsInstance(reader.reason, DeadlineError)


class TurnsOverTwisted(Turns):
    http_client: HttpClientName = "twisted"


class Consumer:
    def __init__(self, producer: BodyProducer, pause_after: int) -> None:
        self.producer, self.left, self.data = producer, pause_after, b""

    def write(self, data: bytes) -> None:
        self.data += data
        self.left -= 1
        if self.left == 0:
            self.producer.pauseProducing()


class SendTests(SynchronousTestCase):
    def test_large_body_waits_for_its_consumer(self) -> None:
        body = bytes(PIECE * 3 + 1)
        producer = BodyProducer(body)
        consumer = Consumer(producer, 2)
        done = producer.startProducing(consumer)  # type: ignore[arg-type]
        self.assertNoResult(done)
        self.assertEqual(len(consumer.data), 2 * PIECE)
        producer.resumeProducing()
        self.successResultOf(done)
        self.assertEqual(consumer.data, body)

    def test_body_in_pieces_is_sent_as_one(self) -> None:
        for sizes in ((3, 0, 5), (PIECE, 1), (1, PIECE * 2 + 7, 2), (PIECE * 2,)):
            pieces = tuple(bytes([65 + place]) * size for place, size in enumerate(sizes))
            views = tuple(memoryview(piece) for piece in pieces)
            producer = BodyProducer(views)
            self.assertEqual(producer.length, sum(sizes))
            consumer = Consumer(producer, 2)
            done = producer.startProducing(consumer)  # type: ignore[arg-type]
            producer.resumeProducing()
            self.successResultOf(done)
            self.assertEqual(consumer.data, b"".join(pieces))

    def test_stopped_producer_writes_nothing(self) -> None:
        producer = BodyProducer(bytes(PIECE * 3))
        consumer = Consumer(producer, 1)
        done = producer.startProducing(consumer)  # type: ignore[arg-type]
        producer.stopProducing()
        producer.resumeProducing()
        self.assertNoResult(done)
        self.assertEqual(len(consumer.data), PIECE)
