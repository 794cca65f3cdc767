"""Requests over WebSocket to upstreams: pace, limits, shared connections, and their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.web.client import ResponseDone
from websockets.frames import Opcode

from antigravity.interfaces.transport import Timeouts
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    UnavailableError,
    UpstreamError,
)
from antigravity.transport.websocket.pool import MAX_PER_KEY
from tests.transport.websocket.builders import (
    Owner,
    Peer,
    Reader,
    SocketServers,
    completed,
    created,
    event,
)


@pytest.fixture
def servers() -> Iterator[SocketServers]:
    made = SocketServers()
    yield made
    made.close()


def opened(servers: SocketServers, **options: Any) -> tuple[Peer, Any]:
    """Return a connection with the request that opened it."""
    sending = servers.ask(**options)
    peer = servers.peer
    peer.accept()
    peer.receive()
    return peer, sending


def idle(servers: SocketServers, name: str = "r1", **options: Any) -> Peer:
    """Return a connection without requests that remembers a response."""
    peer, sending = opened(servers, **options)
    lane = options.get("lane")
    more = {} if lane is None else {"stream_id": lane}
    peer.send(created(**more), completed(name, **more))
    servers.read(sending)
    return peer


def failed(sending: Any) -> Any:
    found: list[Any] = []
    sending.addErrback(found.append)
    (failure,) = found
    return failure.value


class Pausing(Reader):
    """A reader that pauses at once, and after each piece."""

    is_pausing = True

    def makeConnection(self, transport: Any) -> None:
        super().makeConnection(transport)
        transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.is_pausing:
            self.transport.pauseProducing()  # type: ignore[union-attr]


# -- responses --


def test_response_looks_like_a_stream_over_http(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    text = '{"type": "response.created",\n "response": {"id": "r1", "metadata": {"stream_id": 1}}}'
    peer.send(text.encode())
    found: list[Any] = []
    sending.addCallback(found.append)
    (response,) = found
    assert response.status() == 200
    assert response.headers() == {"content-type": "text/event-stream"}
    reader = Reader()
    response.deliver(reader)
    assert (
        reader.data == b"event: response.created\ndata: %b\n\n" % text.replace("\n", " ").encode()
    )
    peer.send(completed())
    assert isinstance(reader.reason, ResponseDone)


def test_error_looks_like_a_refusal_over_http(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    error = {"message": "Slow down.", "code": "rate_limit_exceeded", "type": "requests", "x": 1}
    headers = {"Retry-After": "7", "x-ratelimit-remaining-tokens": 0, "bad": "a\nb"}
    peer.send(event("codex.rate_limits", limits=[]))
    peer.send(event("error", status=429, error=error, headers=headers, sequence_number=0))
    found: list[Any] = []
    sending.addCallback(found.append)
    (response,) = found
    assert response.status() == 429
    assert response.headers() == {
        "retry-after": "7",
        "x-ratelimit-remaining-tokens": "0",
        "content-type": "application/json",
    }
    bodies: list[bytes] = []
    response.collect(1000).addCallback(bodies.append)
    assert json.loads(bodies[0]) == {"error": error}


def test_messages_before_the_response_are_part_of_it(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.send(event("codex.rate_limits", limits=[1]))
    assert not sending.called
    peer.send(created(), event("keepalive"), completed())
    kinds = servers.read(sending).kinds
    assert kinds == ["codex.rate_limits", "response.created", "keepalive", "response.completed"]


def test_error_after_the_beginning_is_an_event(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.send(created(), event("error", status=500, error={"message": "Oh."}))
    reader = servers.read(sending)
    assert reader.kinds == ["response.created", "error"]
    assert b'"status": 500' in reader.data
    assert isinstance(reader.reason, ResponseDone)


def test_reader_that_pauses_stops_the_connection(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.send(created())
    reader = Pausing()
    servers.read(sending, reader)
    assert not peer.wire.is_reading
    peer.send(*(event("response.output_text.delta", delta=str(n)) for n in range(50)), completed())
    before = len(reader.kinds)
    for _ in range(3):
        reader.transport.resumeProducing()  # type: ignore[union-attr]
    assert before <= 1
    assert len(reader.kinds) <= before + 3
    assert not peer.wire.is_reading
    reader.is_pausing = False
    reader.transport.resumeProducing()  # type: ignore[union-attr]
    assert peer.wire.is_reading
    assert len(reader.kinds) == 52
    assert isinstance(reader.reason, ResponseDone)


def test_response_without_a_reader_stops_the_connection(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.send(created())
    assert not peer.wire.is_reading
    peer.send(completed())
    assert servers.read(sending).kinds == ["response.created", "response.completed"]
    assert peer.wire.is_reading


def test_full_connection_gets_no_more(servers: SocketServers) -> None:
    peer = idle(servers)
    peer.wire.full = True
    body = b'{"model":"m","input":"%b","stream":true}' % (b"x" * 1_000_000)
    servers.ask(body=body)
    sizes = []
    while not sizes or sizes[-1] != len(peer.wire.value()):
        sizes.append(len(peer.wire.value()))
        peer.wire.producer.resumeProducing()
    peer.wire.full = False
    peer.receive()
    assert max(b - a for a, b in zip([0, *sizes], sizes, strict=False)) <= 140_000
    assert len(peer.messages[-1]["input"]) == 1_000_000
    assert "stream" not in peer.messages[-1]


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":true,"model":"m","input":"hi","background":false}',
        (b'{"model":"m","inp', memoryview(b'ut":"h'), b'i","stream":true}'),
        (b"{", b'"model":"m","input":"hi","stream":true}'),
        b' {"model":"m","input":"hi","stream":true} ',
    ],
)
def test_members_of_http_are_left_out(servers: SocketServers, body: Any) -> None:
    peer, _ = opened(servers, body=body)
    assert peer.messages == [{"type": "response.create", "model": "m", "input": "hi"}]


# -- limits --


def test_limits_end_a_request(servers: SocketServers) -> None:
    limits = Timeouts(20, 60, 90, 0)
    peer, sending = opened(servers, limits=limits)
    servers.reactor.pump([30, 30])
    assert failed(sending).code == "first_byte_timeout"
    assert peer.wire.aborted
    peer, sending = opened(servers, limits=limits)
    peer.send(created())
    reader = servers.read(sending)
    for _ in range(5):
        servers.reactor.advance(30)
        peer.receive()
        peer.flush()  # pongs
    assert isinstance(reader.reason, DeadlineError)
    assert reader.reason.code == "idle_timeout"


def test_cancelled_request_closes_the_connection(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    sending.cancel()
    assert isinstance(failed(sending), CancelledError)
    assert peer.wire.aborted


def test_reader_that_stops_closes_the_connection(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.send(created())
    reader = servers.read(sending)
    reader.transport.loseConnection()  # type: ignore[union-attr]
    assert peer.wire.aborted
    servers.reactor.advance(0)
    assert isinstance(reader.reason, CancelledByClientError)


def test_transport_that_closes_fails_requests(servers: SocketServers) -> None:
    _, first = opened(servers)
    peer, second = opened(servers)
    peer.send(created())
    reader = servers.read(second)
    errors: list[Any] = []
    for sending in (first, servers.ask(owner=Owner("c2"))):
        sending.addErrback(lambda failure: errors.append(failure.value))
    servers.close()
    assert isinstance(reader.reason, UnavailableError)
    assert [type(each) for each in errors] == [UnavailableError, UnavailableError]


@pytest.mark.parametrize(
    "fault",
    ["lost", "closed", "binary", "garbage", "malformed"],
)
def test_fault_of_the_upstream_is_an_error(servers: SocketServers, fault: str) -> None:
    peer, sending = opened(servers)
    peer.send(created())
    reader = servers.read(sending)
    if fault == "lost":
        peer.lose()
    elif fault == "closed":
        peer.server.send_close(1011, "sk-secret-0123456789")
        peer.flush()
    elif fault == "binary":
        peer.server.send_binary(b"x")
        peer.flush()
    elif fault == "garbage":
        peer.protocol.dataReceived(b"\xff" * 20)
    else:
        peer.send(b"not json")
        assert reader.data.endswith(b"data: not json\n\n")  # the exchange judges it
        return
    assert isinstance(reader.reason, UpstreamError)
    assert "sk-secret" not in str(reader.reason)
    assert not servers.transport._sockets._connections  # type: ignore[union-attr]


def test_message_that_is_too_large_is_an_error(
    servers: SocketServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antigravity.transport.websocket.connection.MESSAGE_LIMIT", 1000)
    peer, sending = opened(servers)
    peer.send(created(), event("response.output_text.delta", delta="x" * 1000))
    reader = servers.read(sending)
    assert isinstance(reader.reason, UpstreamError)
    assert reader.reason.code == "answer_too_large"
    assert peer.close_code() == 1009


def test_body_that_is_no_object_is_refused(servers: SocketServers) -> None:
    peer = idle(servers)
    assert failed(servers.ask(body=b"[]")).status == 400
    servers.ask()
    peer.receive()
    assert len(peer.messages) == 2


# -- continuing --

SHORT = b'{"model":"m","previous_response_id":"r1","input":"new","stream":true}'


def test_response_is_continued_where_it_was_received(servers: SocketServers) -> None:
    peer = idle(servers)
    servers.ask(previous_id="r1", continuation=SHORT)
    peer.receive()
    assert peer.messages[-1]["input"] == "new"
    other = servers.ask(account="a2", previous_id="r1", continuation=SHORT)
    assert not other.called
    servers.peer.accept()
    servers.peer.receive()
    assert servers.peer.messages == [{"type": "response.create", "model": "m", "input": "hi"}]


def test_forgotten_response_is_sent_whole(servers: SocketServers) -> None:
    peer = idle(servers)
    sending = servers.ask(previous_id="r1", continuation=SHORT)
    error = {"code": "previous_response_not_found", "message": "Gone."}
    peer.send(event("error", status=400, error=error))
    peer.receive()
    assert [each["input"] for each in peer.messages] == ["hi", "new", "hi"]
    peer.send(created(), completed("r2"))
    assert servers.read(sending).kinds == ["response.created", "response.completed"]
    again = servers.ask(previous_id="r1", continuation=SHORT)
    peer.receive()
    assert peer.messages[-1]["input"] == "hi"
    peer.send(event("error", status=400, error=error))
    found: list[Any] = []
    again.addCallback(found.append)
    assert found[0].status() == 400


def test_failed_continuation_is_forgotten(servers: SocketServers) -> None:
    peer = idle(servers)
    sending = servers.ask(previous_id="r1", continuation=SHORT)
    peer.send(event("error", status=500, error={"message": "Oh."}))
    found: list[Any] = []
    sending.addCallback(found.append)
    assert found[0].status() == 500
    found[0].abort()
    servers.ask(previous_id="r1", continuation=SHORT)
    peer.receive()
    assert [each["input"] for each in peer.messages] == ["hi", "new", "hi"]


def test_old_connection_is_replaced_once(servers: SocketServers) -> None:
    first = idle(servers)
    limit = event(
        "error",
        status=400,
        error={"code": "websocket_connection_limit_reached", "message": "60 minutes"},
    )
    sending = servers.ask(previous_id="r1", continuation=SHORT)
    first.send(limit)
    servers.connect()
    assert first.close_code() == 1000
    second = servers.peer
    assert second is not first
    second.accept()
    second.receive()
    assert second.messages[-1]["input"] == "hi"
    second.send(limit)
    found: list[Any] = []
    sending.addCallback(found.append)
    assert found[0].status() == 400


@pytest.mark.parametrize(("seconds", "is_resent"), [(0, True), (5, False)])
def test_connection_that_ends_when_it_is_used_is_replaced(
    servers: SocketServers, seconds: float, is_resent: bool
) -> None:
    peer = idle(servers)
    sending = servers.ask(previous_id="r1", continuation=SHORT)
    servers.reactor.advance(seconds)
    peer.lose()
    servers.connect()
    assert (servers.peer is not peer) is is_resent
    if is_resent:
        servers.peer.accept()
        servers.peer.receive()
        assert servers.peer.messages[-1]["input"] == "hi"
        servers.peer.lose()  # a new one is not too old
    assert isinstance(failed(sending), UpstreamError)


# -- lanes --


def test_lanes_share_a_connection_once_they_are_known(servers: SocketServers) -> None:
    first = idle(servers, lane="a")
    a, b = servers.ask(lane="a"), servers.ask(lane="b")
    unnamed = servers.ask()
    readers = [Reader() for _ in range(3)]
    for sending, reader in zip((a, b, unnamed), readers, strict=True):
        sending.addCallback(lambda response, reader=reader: response.deliver(reader))
    first.receive()
    assert [each.get("stream_id") for each in first.messages] == ["a", "a", "b", None]
    first.send(
        created(stream_id="b"),
        created(),
        created(stream_id="a"),
        completed("r3", stream_id="a"),
        created(stream_id="zzz"),
        completed("r4"),
    )
    whole = ["response.created", "response.completed"]
    assert [each.kinds for each in readers] == [whole, ["response.created"], whole]
    assert not any(b"stream_id" in each.data for each in readers)
    assert len(servers.peers) == 1
    servers.ask(lane="b")  # while the other runs
    assert len(servers.peers) == 2


def test_upstream_that_ignores_lanes_gets_a_connection_for_each(servers: SocketServers) -> None:
    peer, sending = opened(servers, lane="a")
    peer.send(created())
    servers.read(sending)
    servers.ask(lane="b")
    second = servers.peer
    assert second is not peer
    second.accept()
    second.receive()
    assert "stream_id" not in second.messages[-1]


def test_upstream_that_refuses_lanes_is_asked_without(servers: SocketServers) -> None:
    peer, sending = opened(servers, lane="a")
    error = {"message": "Unsupported parameter: stream_id", "code": "unsupported_parameter"}
    peer.send(event("error", status=400, error=error))
    peer.receive()
    assert ["stream_id" in each for each in peer.messages] == [True, False]
    peer.send(created(), completed())
    assert servers.read(sending).kinds == ["response.created", "response.completed"]


def test_lane_that_stops_leaves_the_others_alone(servers: SocketServers) -> None:
    peer = idle(servers, lane="a")
    a, b = servers.ask(lane="a"), servers.ask(lane="b")
    a.cancel()
    failed(a)
    assert not peer.wire.aborted
    peer.send(created(stream_id="a"), created(stream_id="b"), completed("r2", stream_id="b"))
    assert servers.read(b).kinds == ["response.created", "response.completed"]
    assert peer.close_code() == 1000, "what runs on has no reader"


# -- connections --


def test_connections_of_a_client_are_bounded(servers: SocketServers) -> None:
    for _ in range(MAX_PER_KEY):
        opened(servers)
    servers.ask()
    servers.connect()
    assert servers.peer.head.startswith(b"POST ")
    servers.ask(owner=Owner("c2"))
    servers.connect()
    assert servers.peer.head.startswith(b"GET ")


def test_connections_in_all_are_bounded(
    servers: SocketServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antigravity.transport.websocket.pool.MAX_CONNECTIONS", 2)
    oldest = idle(servers, owner=Owner("c1"))
    opened(servers, owner=Owner("c2"))
    servers.ask(owner=Owner("c3"))
    assert oldest.close_code() == 1000
    servers.peer.accept()
    servers.ask(owner=Owner("c4"))
    servers.connect()
    assert servers.peer.head.startswith(b"POST ")


def test_connection_ends_with_its_client(servers: SocketServers) -> None:
    peer = idle(servers)
    other = idle(servers, owner=Owner("c2"))
    servers.owner.lose()
    assert peer.close_code() == 1000
    assert not other.wire.aborted
    servers.reactor.advance(5)
    assert peer.wire.aborted, "the server does not answer"


def answer_pings(servers: SocketServers, peer: Peer, seconds: float) -> None:
    for _ in range(int(seconds / 30)):
        servers.reactor.advance(30)
        peer.receive()
        peer.flush()


def test_idle_connection_is_pinged_and_closed(servers: SocketServers) -> None:
    peer = idle(servers)
    answer_pings(servers, peer, 570)
    assert {each.opcode for each in peer.frames} == {Opcode.TEXT, Opcode.PING}
    peer.server.send_ping(b"x")
    peer.flush()
    peer.receive()
    assert peer.frames[-1].opcode is Opcode.PONG
    answer_pings(servers, peer, 60)
    assert peer.close_code() == 1000


def test_connection_takes_no_requests_after_55_minutes(servers: SocketServers) -> None:
    peer, sending = opened(servers, limits=Timeouts(20, 0, 0, 0))
    answer_pings(servers, peer, 56 * 60)
    servers.ask()
    assert servers.peer is not peer
    peer.send(created(), completed())
    servers.read(sending)
    servers.reactor.advance(30)
    assert peer.close_code() == 1000


def test_server_that_is_gone_is_noticed(servers: SocketServers) -> None:
    peer = idle(servers)
    servers.reactor.pump([30, 30])
    assert peer.wire.aborted
    peer.lose()
    servers.ask()
    assert servers.peer is not peer


def test_server_may_close_an_idle_connection(servers: SocketServers) -> None:
    peer = idle(servers)
    peer.server.send_close(1001)
    peer.flush()
    assert peer.close_code() == 1001
    servers.ask()
    assert servers.peer is not peer


def test_other_credential_has_another_connection(servers: SocketServers) -> None:
    idle(servers)
    request = servers.request()
    changed = tuple(
        (name, value + "9" if name == "authorization" else value) for name, value in request.headers
    )
    servers.ask(replace(request, headers=changed))
    assert len(servers.peers) == 2


def test_reader_that_pauses_at_the_last_event_does_not_stop_the_next_request(
    servers: SocketServers,
) -> None:
    peer, sending = opened(servers)
    peer.send(created())
    reader = servers.read(sending, Pausing())
    reader.is_pausing = False  # type: ignore[attr-defined]
    reader.transport.resumeProducing()  # type: ignore[union-attr]
    reader.is_pausing = True  # type: ignore[attr-defined]
    peer.send(completed())
    following = servers.ask()
    assert len(servers.peers) == 1
    peer.receive()
    peer.send(created(), completed("r2"))
    assert servers.read(following).kinds == ["response.created", "response.completed"]


def test_pings_of_a_server_that_reads_nothing_take_no_memory(servers: SocketServers) -> None:
    peer, sending = opened(servers)
    peer.wire.producer.pauseProducing()
    for number in range(100):
        peer.server.send_ping(b"%d" % number)
    peer.flush()
    assert peer.wire.value() == b""
    peer.wire.producer.resumeProducing()
    peer.receive()
    pongs = [bytes(each.data) for each in peer.frames if each.opcode is Opcode.PONG]
    assert pongs == [b"99"]
    peer.send(created(), completed())
    servers.read(sending)
