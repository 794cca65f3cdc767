"""Connections of the gateway's own HTTP client, in memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.ir.errors import CancelledByClientError, GatewayError, UpstreamError
from antigravity.transport import client
from antigravity.transport.body_producer import PIECE
from antigravity.transport.http1.connection import ClientConnection
from tests.transport.memory_server import CollectingReader, MemoryServer, Wire

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


def result(deferred: Deferred[Any]) -> Any:
    """Return the result of a Deferred that has fired."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    (value,) = results
    return getattr(value, "value", value)


def deliver(sending: Deferred[Any]) -> CollectingReader:
    reader = CollectingReader()
    result(sending).deliver(reader)
    return reader


def test_small_request_is_one_write(server: MemoryServer) -> None:
    server.send(b'{"a":1}', headers=(("X-One", "1"), ("authorization", "Bearer é")))
    (write,) = server.wire.writes
    head, _, body = write.partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /p HTTP/1.1"
    assert sorted(lines[1:]) == sorted(
        (
            b"Host: h",
            b"Content-Length: 7",
            b"X-One: 1",
            "Authorization: Bearer é".encode(),
            b"Accept-Encoding: identity",
        )
    )


def test_accept_encoding_of_the_caller_is_sent(server: MemoryServer) -> None:
    server.send(headers=(("Accept-Encoding", "br"),))
    assert server.wire.value().count(b"Accept-Encoding") == 1
    assert b"\r\nAccept-Encoding: br\r\n" in server.wire.value()


def test_requests_do_not_share_what_they_do_not_have(server: MemoryServer) -> None:
    for headers in ((("a", "1"),), (("b", "2"),), (("a", "1"),)):
        server.send(headers=headers)
        assert [name in server.wire.value() for name in (b"A: 1", b"B: 2")] == [
            ("a", "1") in headers,
            ("b", "2") in headers,
        ]


@pytest.mark.parametrize(
    ("method", "expected"), [("GET", []), ("POST", [b"Content-Length: 0"]), ("DELETE", [])]
)
def test_request_without_body(server: MemoryServer, method: str, expected: list[bytes]) -> None:
    server.send(b"", method=method)
    lines = server.wire.value().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"Content-Length")] == expected


@pytest.mark.parametrize(
    ("options", "secret"),
    [
        ({"headers": (("x-a", "1\r\nx-secret: 2"),)}, "x-secret"),
        ({"headers": (("x-a", "1\nx-secret: 2"),)}, "x-secret"),
        ({"headers": (("x-a", "1\rx-secret: 2"),)}, "x-secret"),
        ({"headers": (("x-a", "x-secret\0"),)}, "x-secret"),
        ({"headers": (("x-secret\r\n", "1"),)}, "x-secret"),
        ({"headers": (("x secret", "1"),)}, "x secret"),
        ({"headers": (("x-secret:", "1"),)}, "x-secret"),
        ({"headers": (("", "1"),)}, "1"),
        ({"headers": (("content-length", "1"),)}, "content"),
        ({"headers": (("Transfer-Encoding", "chunked"),)}, "chunked"),
        ({"headers": (("connection", "x"),)}, "connection"),
        ({"method": "POST /secret HTTP/1.1\r\nX:"}, "secret"),
        ({"method": "CONNECT"}, "CONNECT"),
        ({"url": "http://h/a secret"}, "secret"),
        ({"url": "http://h/secret\r\nX: y"}, "secret"),
        ({"url": "http://h/secret\x7f"}, "secret"),
    ],
)
def test_request_that_would_end_early_is_refused(
    server: MemoryServer, options: dict[str, Any], secret: str
) -> None:
    error = result(server.send(**options))
    assert isinstance(error, GatewayError)
    assert secret not in str(error)
    assert server.connections == []


def test_chunks_of_one_read_are_delivered_once(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED)
    reader = deliver(sending)
    server.receive(b"3\r\nabc\r\n" * 64)
    server.receive(b"1\r\nd\r\n" * 3 + END)
    assert reader.pieces == [b"abc" * 64, b"ddd"]
    assert isinstance(reader.reason, ResponseDone)


def test_connection_is_reused(server: MemoryServer) -> None:
    for count in range(1, 4):
        sending = server.send()
        server.receive(WHOLE)
        assert deliver(sending).data == b"ok"
        assert server.wire.value().count(b"POST") == count
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        WHOLE + b"x",
        WHOLE + WHOLE,
        CHUNKED + b"2\r\nok\r\n" + END + b"x",
    ],
)
def test_connection_is_not_reused(server: MemoryServer, response: bytes) -> None:
    sending = server.send()
    server.receive(response)
    reader = deliver(sending)
    assert (reader.data, type(reader.reason)) == (b"ok", ResponseDone)
    assert server.wire.disconnecting
    server.send()
    assert len(server.connections) == 2
    assert server.wire.value().count(b"POST") == 1


@pytest.mark.parametrize("data", [b"x", b"\r\n", WHOLE, b"HTTP/1.1 408 Timeout\r\n\r\n"])
def test_data_that_nobody_asked_for_ends_the_connection(server: MemoryServer, data: bytes) -> None:
    sending = server.send()
    server.receive(WHOLE)
    deliver(sending)
    server.receive(data)
    assert server.wire.aborted
    second = server.send()
    assert len(server.connections) == 2
    server.receive(data, connection=0)
    server.lose(0)
    server.receive(OK + b"Content-Length: 3\r\n\r\nown")
    assert deliver(second).data == b"own"


def test_response_before_the_request_is_refused(server: MemoryServer) -> None:
    first = server.send()
    server.receive(WHOLE[:-1])
    reader = deliver(first)
    server.receive(b"k" + WHOLE.replace(b"ok", b"no"))
    assert reader.data == b"ok"
    second = server.send()
    server.receive(WHOLE)
    assert deliver(second).data == b"ok"
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((OK + b"Content-Length: 5\r\n\r\nok",), b"ok"),
        ((OK + b"Content-Length: 5\r\n\r\n", b"ok"), b"ok"),
        ((CHUNKED + b"2\r\nok\r\n",), b"ok"),
        ((CHUNKED + b"2\r\nok\r\n0\r\n",), b"ok"),
        ((CHUNKED + b"5\r\nok",), b"ok"),
        ((CHUNKED + b"2\r\nok\r\n0\r\nTrailer: x\r\n",), b"ok"),
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_truncated_body_is_an_error(
    server: MemoryServer, pieces: tuple[bytes, ...], expected: bytes, clean: bool
) -> None:
    sending = server.send()
    server.receive(*pieces)
    reader = deliver(sending)
    server.lose(clean=clean)
    assert reader.data == expected
    assert isinstance(reader.reason, UpstreamError)
    assert "broke off" in str(reader.reason)


@pytest.mark.parametrize("head", [OK + b"\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_body_without_length_needs_a_clean_end(head: bytes) -> None:
    for clean in (True, False):
        server = MemoryServer()
        sending = server.send()
        server.receive(head + b"some")
        reader = deliver(sending)
        server.receive(b"more")
        assert reader.reason is None
        server.lose(clean=clean)
        assert reader.data == b"somemore"
        assert isinstance(reader.reason, ResponseDone if clean else UpstreamError)


def test_malformed_body_fails_after_its_good_part(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED)
    reader = deliver(sending)
    server.receive(b"2\r\nok\r\nzz\r\n")
    assert reader.data == b"ok"
    assert "sent a malformed response: Invalid character in chunk size" in str(reader.reason)
    assert server.wire.aborted


def test_malformed_body_in_the_first_read_fails(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED + b"2\r\nok\r\nzz\r\n")
    reader = deliver(sending)
    assert (reader.data, type(reader.reason)) == (b"ok", UpstreamError)
    assert server.wire.aborted


def test_malformed_head_fails(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    error = result(sending)
    assert "not HTTP/1.1: Transfer-Encoding can't be present with Content-Length" in str(error)
    assert server.wire.aborted
    assert not server.transport.active


def test_begun_response_is_not_requested_again(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(WHOLE)
    deliver(sending)
    second = server.send()
    server.receive(b"HTTP/1.1 200")
    server.lose()
    assert isinstance(result(second), UpstreamError)
    assert len(server.connections) == 1


def test_unread_response_pauses_the_connection(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED + b"1\r\na\r\n")
    assert server.wire.producerState == "paused"
    reader = deliver(sending)
    assert reader.data == b"a"
    assert server.wire.producerState == "producing"


def test_reader_that_is_ready_causes_no_pause(server: MemoryServer) -> None:
    reader = CollectingReader()
    sending = server.send()
    sending.addCallback(lambda response: response.deliver(reader))
    server.wire.pauseProducing = lambda: pytest.fail("paused")  # type: ignore[method-assign]
    server.receive(CHUNKED + b"1\r\na\r\n")
    assert reader.data == b"a"


def test_free_connection_reads_even_if_the_reader_has_paused(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED)
    reader = deliver(sending)
    reader.transport.pauseProducing()  # type: ignore[union-attr]
    assert server.wire.producerState == "paused"
    server.receive(b"1\r\na\r\n" + END)
    assert server.wire.producerState == "producing"
    reader.transport.pauseProducing()  # type: ignore[union-attr]
    assert server.wire.producerState == "producing"


class StoppingReader(CollectingReader):
    """Stops at the first data."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.loseConnection()  # type: ignore[union-attr]


def test_reader_that_stops_at_the_end_keeps_the_connection(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED)
    reader = StoppingReader()
    result(sending).deliver(reader)
    server.receive(b"6\r\n[DONE]\r\n" + END)
    assert isinstance(reader.reason, CancelledByClientError)
    assert not server.wire.disconnecting
    server.send()
    assert len(server.connections) == 1


def test_reader_that_stops_earlier_aborts_the_connection(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(CHUNKED)
    reader = StoppingReader()
    result(sending).deliver(reader)
    server.receive(b"6\r\n[DONE]\r\n")
    assert server.wire.aborted
    server.receive(END)
    server.lose(clean=False)
    assert reader.pieces == [b"[DONE]"]
    assert isinstance(reader.reason, CancelledByClientError)
    server.send()
    assert len(server.connections) == 2


def test_idle_connections_are_closed(server: MemoryServer) -> None:
    first, second = server.send(), server.send()
    server.receive(WHOLE, connection=0)
    server.reactor.advance(30)
    server.receive(WHOLE, connection=1)
    deliver(first), deliver(second)
    server.reactor.advance(client.IDLE_TIMEOUT - 30)
    assert [wire.disconnecting for _, wire in server.connections] == [True, False]
    server.lose(0)
    server.reactor.advance(30)
    assert server.connections[1][1].disconnecting
    server.lose(1)
    assert server.reactor.getDelayedCalls() == []


def test_number_of_idle_connections_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_PERSISTENT", 2)
    server = MemoryServer()
    sendings = [server.send() for _ in range(3)]
    for number, sending in enumerate(sendings):
        server.receive(WHOLE, connection=number)
        deliver(sending)
    assert [wire.disconnecting for _, wire in server.connections] == [True, False, False]


def test_lost_idle_connection_is_forgotten(server: MemoryServer) -> None:
    deliver_all = server.send()
    server.receive(WHOLE)
    deliver(deliver_all)
    server.lose()
    server.send()
    assert len(server.connections) == 2


def test_ended_requests_leave_no_reference_cycles(server: MemoryServer) -> None:
    def exchange(*pieces: bytes) -> None:
        sending = server.send()
        server.receive(*pieces)
        deliver(sending)

    exchange(WHOLE)
    gc.collect()
    gc.disable()
    try:
        exchange(WHOLE)
        exchange(CHUNKED, b"1\r\na\r\n", END)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_lost_connection_is_freed_without_garbage_collection() -> None:
    connection = ClientConnection("key", lambda _: None, lambda _: None)
    connection.makeConnection(Wire(full=False))  # type: ignore[arg-type]
    parser = weakref.ref(connection._parser)
    connection.connectionLost(Failure(ConnectionDone()))
    gc.disable()
    try:
        del connection
        assert parser() is None
    finally:
        gc.enable()


def test_closing_the_transport_closes_idle_connections(server: MemoryServer) -> None:
    sending = server.send()
    server.receive(WHOLE)
    deliver(sending)
    closing = server.transport.close()
    assert server.wire.disconnecting
    server.reactor.advance(0)
    assert not closing.called
    server.lose()
    assert result(closing) is None
    assert server.reactor.getDelayedCalls() == []


def test_connections_of_a_transport_that_is_not_persistent_are_closed() -> None:
    server = MemoryServer(persistent=False)
    sending = server.send()
    assert b"\r\nConnection: close\r\n" in server.wire.value()
    server.receive(WHOLE)
    assert deliver(sending).data == b"ok"
    assert server.wire.disconnecting


def test_large_body_is_sent_at_the_speed_of_the_connection(server: MemoryServer) -> None:
    server.full = True
    body = bytes(range(256)) * (PIECE // 256) * 3
    sending = server.send(body)
    wire = server.wire
    for _ in range(2):
        assert wire.producer is not None
        wire.producer.resumeProducing()
    assert wire.producer is None
    assert wire.value().endswith(body)
    assert max(map(len, wire.writes)) == PIECE
    server.receive(WHOLE)
    assert deliver(sending).data == b"ok"
    assert not wire.disconnecting


def test_early_response_is_delivered_and_stops_the_request(server: MemoryServer) -> None:
    server.full = True
    sending = server.send(bytes(4 * PIECE))
    wire = server.wire
    server.receive(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\n")
    reader = deliver(sending)
    assert result(sending) is None
    producer = wire.producer
    assert producer is not None
    server.receive(b"nope")
    assert (reader.data, type(reader.reason)) == (b"nope", ResponseDone)
    assert wire.aborted
    written = len(wire.value())
    producer.resumeProducing()
    assert len(wire.value()) == written
    server.send()
    assert len(server.connections) == 2


def test_lost_connection_stops_the_request(server: MemoryServer) -> None:
    server.full = True
    sending = server.send(bytes(4 * PIECE))
    producer = server.wire.producer
    assert producer is not None
    server.lose(clean=False)
    assert "closed the connection before it responded" in str(result(sending))
    written = len(server.wire.value())
    producer.resumeProducing()
    assert len(server.wire.value()) == written


def test_client_can_be_switched_while_requests_run(server: MemoryServer) -> None:
    first = server.send()
    server.transport.use("twisted")
    second = server.send()
    server.receive(WHOLE, connection=0)
    server.receive(WHOLE, connection=1)
    assert deliver(first).data == deliver(second).data == b"ok"
    server.transport.use("httptools")
    server.send()
    assert len(server.connections) == 2
    assert server.connections[0][1].value().count(b"POST") == 2


def test_connection_that_is_just_ending_sends_no_large_body(
    server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.send()
    server.receive(WHOLE)
    assert deliver(first).data == b"ok"
    old = server.wire
    # As TLS does between the server's notice that it closes and the end of the connection.
    monkeypatch.setattr(old, "registerProducer", lambda producer, _: producer.stopProducing())
    monkeypatch.setattr(old, "unregisterProducer", lambda: None)
    body = bytes(2 * PIECE)
    sending = server.send(body)
    assert body[:PIECE] not in old.value()
    assert not sending.called
    server.lose()
    protocol = server.reactor.tcpClients[-1][2].buildProtocol(None)
    new = Wire(full=False)
    protocol.makeConnection(new)
    assert new.value().endswith(body)
    protocol.dataReceived(WHOLE)
    assert deliver(sending).data == b"ok"
