"""Connections that send in the turn in which they are written to, over real sockets."""

from __future__ import annotations

import math
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase
from zope.interface import implementer

from antigravity.config.settings import ProxySettings
from antigravity.web.listener import BACKLOG, Listener, endpoint_strings
from antigravity.web.prompt_connection import (
    MAX_WAITING,
    PromptConnection,
    SendQueue,
    send_promptly,
)

MIB = 1024 * 1024


def pattern(size: int) -> bytes:
    """Return bytes that show whether any are lost or out of order."""
    return b"".join(struct.pack(">I", number) for number in range(size // 4))


class Accepted(Protocol):
    """The server's end of a connection."""

    def __init__(self) -> None:
        self.lost: Deferred[BaseException] = Deferred()
        self.received: Callable[[bytes], None] = lambda data: None

    def connectionMade(self) -> None:
        assert isinstance(self.factory, Accepting)
        self.factory.accepted(self)

    def dataReceived(self, data: bytes) -> None:
        self.received(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.value)


class Accepting(Factory):
    """Accepts connections, one after the other."""

    protocol = Accepted  # type: ignore[assignment]

    def __init__(self) -> None:
        self._waiting: list[Deferred[Accepted]] = []

    def next(self) -> Deferred[Accepted]:
        waiting: Deferred[Accepted] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def accepted(self, protocol: Accepted) -> None:
        self._waiting.pop(0).callback(protocol)


@implementer(IPushProducer)
class PushProducer:
    """Counts what a transport asks of it."""

    def __init__(self) -> None:
        self.paused = 0
        self.stopped = 0
        self.resumed: Deferred[None] = Deferred()

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None:
        resumed, self.resumed = self.resumed, Deferred()
        resumed.callback(None)

    def stopProducing(self) -> None:
        self.stopped += 1


@implementer(IPullProducer)
class PullProducer:
    """Writes one part each time it is asked."""

    def __init__(self, transport: Any, parts: int) -> None:
        self.transport, self.parts = transport, parts

    def resumeProducing(self) -> None:
        if self.parts:
            self.parts -= 1
            self.transport.write(b"part")
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self.parts = 0


class Connected(TestCase):
    """A server's end and a client's socket."""

    timeout = 60

    def setUp(self) -> Any:
        self.factory = Accepting()
        return self.listen("tcp:0:interface=127.0.0.1")

    @inlineCallbacks
    def listen(self, endpoint: str) -> Any:
        proxy = ProxySettings(listen=[endpoint])
        self.listener = Listener(reactor, self.factory, proxy)
        yield self.listener.listen()
        self.addCleanup(self.listener.stopService)

    @inlineCallbacks
    def connect(self, receive_buffer: int = 0) -> Any:
        address = self.listener.ports[0].getHost()
        if hasattr(address, "name"):
            family, target = socket.AF_UNIX, address.name
        else:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            target = (address.host, address.port)
        client = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(30)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        accepted = self.factory.next()
        client.connect(target)
        server = yield accepted
        if receive_buffer:
            handle = server.transport.getHandle()
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, receive_buffer)
        self.watched: list[object] = []
        add_writer = reactor.addWriter

        def record(writer: Any) -> None:
            self.watched.append(writer)
            add_writer(writer)

        self.patch(reactor, "addWriter", record)
        return client, server

    def read(self, client: socket.socket, size: float = math.inf) -> Deferred[bytes]:
        """Return what a client receives until it has ``size`` bytes, or until the end."""

        def read() -> bytes:
            received = b""
            while len(received) < size and (part := client.recv(65536)):
                received += part
            return received

        return deferToThread(read)

    @inlineCallbacks
    def check_prompt(self) -> Any:
        client, server = yield self.connect()
        server.transport.write(b"one ")
        server.transport.writeSequence([b"two ", b"three"])
        received = yield deferToThread(client.recv, 100)
        self.assertEqual(received, b"one two three")
        self.assertEqual(self.watched, [])
        server.transport.loseConnection()
        self.assertEqual((yield self.read(client)), b"")
        self.assertIsInstance((yield server.lost), ConnectionDone)


class Kinds(Connected):
    """Every kind of port has such connections."""

    def test_ipv4_connection_sends_without_waiting_for_the_reactor(self) -> Any:
        return self.check_prompt()

    @inlineCallbacks
    def test_ipv6_connection_sends_without_waiting_for_the_reactor(self) -> Any:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            raise SkipTest("no IPv6") from None
        yield self.listener.stopService()
        yield self.listen("tcp6:0:interface=\\:\\:1")
        yield self.check_prompt()

    @inlineCallbacks
    def test_unix_connection_sends_without_waiting_for_the_reactor(self) -> Any:
        folder = tempfile.mkdtemp(dir="/tmp")  # the names of Unix sockets must be short
        self.addCleanup(os.rmdir, folder)
        yield self.listener.stopService()
        yield self.listen(f"unix:{folder}/socket")
        yield self.check_prompt()
        yield self.listener.stopService()

    @inlineCallbacks
    def test_adopted_port_sends_without_waiting_for_the_reactor(self) -> Any:
        yield self.listener.stopService()
        inherited = socket.create_server(("127.0.0.1", 0))
        inherited.setblocking(False)
        self.addCleanup(inherited.close)
        port = reactor.adoptStreamPort(inherited.fileno(), socket.AF_INET, self.factory)
        send_promptly(port, SendQueue(reactor))
        self.addCleanup(port.stopListening)
        self.listener.ports = [port]
        yield self.check_prompt()

    def test_port_of_another_kind_is_not_changed(self) -> None:
        port = object()
        send_promptly(port, SendQueue(reactor))
        self.assertFalse(hasattr(port, "transport"))

    def test_default_ports_accept_a_burst_of_connections(self) -> None:
        for proxy in (ProxySettings(), ProxySettings(allow_lan_access=True)):
            for description in endpoint_strings(proxy):
                self.assertEqual(serverFromString(reactor, description)._backlog, BACKLOG)


class FullSockets(Connected):
    """A socket that takes no more data."""

    @inlineCallbacks
    def test_slow_reader_pauses_the_producer_and_gets_every_byte(self) -> Any:
        client, server = yield self.connect(receive_buffer=4096)
        producer = PushProducer()
        server.transport.registerProducer(producer, True)
        sent = pattern(MIB)
        server.transport.write(sent)
        self.assertEqual(producer.paused, 1)
        resumed = producer.resumed
        reading = self.read(client)
        yield resumed
        server.transport.write(b"after")
        server.transport.unregisterProducer()
        server.transport.loseConnection()
        self.assertEqual((yield reading), sent + b"after")
        self.assertIsInstance((yield server.lost), ConnectionDone)

    @inlineCallbacks
    def test_data_that_is_written_after_a_partial_send_keeps_its_order(self) -> Any:
        client, server = yield self.connect(receive_buffer=4096)
        parts = [bytes([number]) * 100_000 for number in range(5)]
        server.transport.write(parts[0])
        yield self.turns(2)
        self.assertEqual(self.watched, [server.transport])
        for part in parts[1:]:
            server.transport.write(part)
            yield self.turns(1)
        self.assertEqual(self.watched, [server.transport])
        server.transport.loseConnection()
        self.assertEqual((yield self.read(client)), b"".join(parts))

    @inlineCallbacks
    def test_connection_sends_promptly_again_after_the_socket_was_full(self) -> Any:
        client, server = yield self.connect(receive_buffer=4096)
        server.transport.write(pattern(MIB))
        received = yield self.read(client, MIB)
        self.assertEqual(received, pattern(MIB))
        yield self.turns(2)
        del self.watched[:]
        server.transport.write(b"prompt")
        self.assertEqual((yield deferToThread(client.recv, 100)), b"prompt")
        self.assertEqual(self.watched, [])

    @inlineCallbacks
    def test_abort_after_a_partial_send_resets_the_connection(self) -> Any:
        client, server = yield self.connect(receive_buffer=4096)
        producer = PushProducer()
        server.transport.registerProducer(producer, True)
        server.transport.write(pattern(MIB))
        yield self.turns(2)
        server.transport.abortConnection()
        self.assertIsInstance((yield server.lost), ConnectionAborted)
        self.assertEqual(producer.stopped, 1)
        yield self.assertFailure(self.read(client), ConnectionResetError)

    @inlineCallbacks
    def test_abort_in_the_turn_of_a_write_sends_nothing(self) -> Any:
        client, server = yield self.connect()
        server.transport.write(b"too late")
        server.transport.abortConnection()
        self.assertIsInstance((yield server.lost), ConnectionAborted)
        yield self.turns(2)
        yield self.assertFailure(self.read(client), ConnectionResetError)

    @inlineCallbacks
    def test_reset_by_the_client_closes_the_connection_once(self) -> Any:
        client, server = yield self.connect(receive_buffer=4096)
        producer = PushProducer()
        server.transport.registerProducer(producer, True)
        server.transport.write(pattern(MIB))
        yield self.turns(2)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.assertIsInstance((yield server.lost), ConnectionLost)
        self.assertEqual(producer.stopped, 1)
        server.transport.write(b"ignored")
        yield self.turns(2)

    @inlineCallbacks
    def test_error_while_sending_closes_the_connection(self) -> Any:
        _, server = yield self.connect()
        self.patch(server.transport, "writeSomeData", lambda data: ConnectionLost())
        server.transport.write(b"fails")
        self.assertIsInstance((yield server.lost), ConnectionLost)

    @inlineCallbacks
    def turns(self, count: int) -> Any:
        """Wait for turns of the event loop."""
        for _ in range(count):
            turned: Deferred[None] = Deferred()
            reactor.callLater(0, turned.callback, None)
            yield turned


class Endings(Connected):
    """What a connection still sends before its end."""

    @inlineCallbacks
    def test_data_that_is_written_before_the_close_arrives(self) -> Any:
        client, server = yield self.connect()
        server.transport.write(b"last words")
        server.transport.loseConnection()
        self.assertEqual((yield self.read(client)), b"last words")
        self.assertIsInstance((yield server.lost), ConnectionDone)

    @inlineCallbacks
    def test_half_closed_connection_sends_its_data_first(self) -> Any:
        client, server = yield self.connect()
        server.transport.write(b"half")
        server.transport.loseWriteConnection()
        self.assertEqual((yield self.read(client)), b"half")
        received: Deferred[bytes] = Deferred()
        server.received = received.callback
        client.sendall(b"still open")
        self.assertEqual((yield received), b"still open")
        client.close()
        yield server.lost

    @inlineCallbacks
    def test_pull_producer_is_asked_until_it_ends(self) -> Any:
        client, server = yield self.connect()
        server.transport.registerProducer(PullProducer(server.transport, 20), False)
        self.assertEqual((yield self.read(client)), b"part" * 20)

    @inlineCallbacks
    def test_failing_producer_aborts_the_connection(self) -> Any:
        client, server = yield self.connect()
        producer = PullProducer(server.transport, 1)
        server.transport.registerProducer(producer, False)
        self.patch(producer, "resumeProducing", lambda: 1 / 0)
        self.assertIsInstance((yield server.lost), ConnectionAborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        yield self.assertFailure(self.read(client), ConnectionResetError)


class Sending(PromptConnection):
    """A connection without a socket."""

    def __init__(self, queue: SendQueue) -> None:
        self._queue = queue
        self.connected = 1
        self.sent = 0
        self.producer = None

    def doWrite(self) -> None:
        self.sent += 1
        self.stopWriting()


class Turns(TestCase):
    """The queue of the connections of one turn."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = SendQueue(self.clock)

    def test_writes_of_one_turn_are_sent_together(self) -> None:
        connection = Sending(self.queue)
        for _ in range(3):
            connection.startWriting()
        self.assertEqual(connection.sent, 0)
        self.clock.advance(0)
        self.assertEqual(connection.sent, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_earlier_connections_do_not_wait_for_the_end_of_a_long_turn(self) -> None:
        connections = [Sending(self.queue) for _ in range(MAX_WAITING + 1)]
        for connection in connections:
            connection.startWriting()
        self.assertEqual([each.sent for each in connections], [1] * MAX_WAITING + [0])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual([each.sent for each in connections], [1] * (MAX_WAITING + 1))

    def test_connection_that_was_lost_sends_nothing(self) -> None:
        connection = Sending(self.queue)
        connection.startWriting()
        connection.stopWriting()
        self.clock.advance(0)
        self.assertEqual(connection.sent, 0)
