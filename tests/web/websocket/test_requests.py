"""Requests over a connection: lanes, pace, time, shutdown and the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from websockets.frames import Close, Opcode

from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import OverloadedError, RateLimitedError
from antigravity.protocols.openai_responses.socket.session import LARGE
from tests.support.frames import frame
from tests.web.builders import FakeExchange, FakeStream
from tests.web.websocket.builders import SocketHarness, completed, event, message


@pytest.mark.parametrize("deflate", [False, True])
def test_events_become_messages(deflate: bool) -> None:
    web = SocketHarness(deflate=deflate)
    web.stream()
    web.create(stream_id="a", generate=True, store=False)
    assert web.bodies() == [{"model": "m", "input": "hi", "store": False, "stream": True}]
    created = event("response.created", sequence_number=0, response={"id": "r1"})
    web.streams[0].write(created[:20])
    assert not web.messages()
    web.streams[0].write(created[20:] + b": keep-alive\n\n" + completed("r1", message("é")))
    web.streams[0].finish()
    first, last = web.messages()
    assert first == {
        "type": "response.created",
        "sequence_number": 0,
        "response": {"id": "r1"},
        "stream_id": "a",
    }
    assert last["response"]["output"] == [message("é")]
    assert last["stream_id"] == "a"
    web.create()  # the connection stays open
    assert len(web.streams) == 2
    web.close()


def test_large_messages_are_compressed_for_other_machines() -> None:
    text = "word " * 1000
    for host, is_smaller in (("127.0.0.1", False), ("192.0.2.7", True)):
        web = SocketHarness(deflate=True, host=host)
        web.stream()
        web.create()
        web.streams[0].write(event("response.output_text.delta", delta=text))
        assert (len(web.transport.value()) < 1000) is is_smaller
        assert web.messages()[0]["delta"] == text
        web.close()


def test_requests_of_a_lane_wait_for_each_other() -> None:
    web = SocketHarness()
    web.stream()
    for number, lane in enumerate(["a", "a", "b", None, None, "a"]):
        web.create(input=str(number), **({"stream_id": lane} if lane else {}))
    assert [body["input"] for body in web.bodies()] == ["0", "2", "3"]
    web.streams[0].write(completed("r0"))
    web.streams[0].finish()
    assert [body["input"] for body in web.bodies()] == ["0", "2", "3", "1"]
    web.streams[2].write(completed("r3"))
    web.streams[2].finish()
    web.streams[3].write(completed("r1"))
    web.streams[3].finish()
    assert [body["input"] for body in web.bodies()][4:] == ["4", "5"]
    assert [each.get("stream_id") for each in web.messages()] == ["a", None, "a"]
    web.close()


def test_errors_have_status_and_headers() -> None:
    web = SocketHarness()
    error = {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
    body = json.dumps({"error": error}).encode()
    web.exchange.answer = lambda _: Reply(429, "application/json", (("Retry-After", "7"),), body)
    web.create(stream_id="x")
    (found,) = web.messages()
    assert (found["type"], found["status"], found["stream_id"]) == ("error", 429, "x")
    assert found["error"]["code"] == "rate_limit_exceeded"
    assert found["headers"] == found["error"]["headers"] == {"retry-after": "7"}
    web.stream()
    web.create()
    assert web.streams
    web.close()


def test_fault_of_the_exchange_is_an_error() -> None:
    web = SocketHarness()
    web.exchange.answer = lambda _: Deferred()
    web.create()
    waiting: Deferred[Any] = web.exchange.pending()
    web.create(stream_id="b")
    waiting.errback(RateLimitedError("Wait.", retry_after=3))
    (found,) = web.messages()
    assert (found["status"], found["headers"]) == (429, {"retry-after": "3"})
    web.close()


def test_stream_that_ends_early_is_an_error() -> None:
    web = SocketHarness()
    web.stream()
    web.create()
    web.streams[0].write(event("response.created", sequence_number=0, response={"id": "r"}))
    web.streams[0].finish()
    created, error = web.messages()
    assert created["type"] == "response.created"
    assert (error["type"], error["status"]) == ("error", 502)
    web.close()


def test_binary_messages_are_refused() -> None:
    web = SocketHarness()
    web.channel.dataReceived(frame(Opcode.BINARY, b"{}"))
    (error,) = web.messages()
    assert (error["status"], error["error"]["code"]) == (400, "binary_message")
    web.send("no json", "[]", "{}")
    assert [each["status"] for each in web.messages()] == [400, 400, 400]
    web.close()


def test_message_above_the_limit_closes_the_connection() -> None:
    web = SocketHarness(proxy={"max_body_bytes": 1000})
    web.send("x" * 1001)
    assert web.close_code() == 1009
    assert web.transport.half_closed
    web.clock.advance(5)
    assert web.transport.aborted
    web.close()


def test_fault_in_frames_cancels_requests() -> None:
    web = SocketHarness()
    web.stream()
    web.create()
    web.channel.dataReceived(b"\x81\x01x")  # without a mask
    assert web.streams[0].happened == ["cancel"]
    assert web.close_code() == 1002
    web.close()


def test_client_that_closes_is_answered() -> None:
    web = SocketHarness()
    web.client.send_close(1000)
    web.flush()
    assert web.close_code() == 1000
    assert web.transport.disconnecting
    web.close()


def test_ping_is_answered() -> None:
    web = SocketHarness()
    web.client.send_ping(b"abc")
    web.flush()
    assert [each.data for each in web.frames(Opcode.PONG)] == [b"abc"]
    web.close()


def test_slow_client_pauses_streams_and_is_not_read() -> None:
    web = SocketHarness()
    web.stream()
    web.create(stream_id="a")
    waiting = web.exchange.pending()
    web.create(stream_id="b")
    web.transport.producer.pauseProducing()
    assert web.streams[0].happened == ["pause"]
    assert not web.transport.is_reading
    late = FakeStream()
    waiting.callback(late.reply())
    assert late.happened == ["pause"]
    web.create(stream_id="c")  # was received already
    assert len(web.exchange.calls) == 2
    web.clock.advance(60)
    assert not web.frames(Opcode.PING)
    web.transport.producer.resumeProducing()
    assert web.streams[0].happened == ["pause", "resume"]
    assert web.transport.is_reading
    assert len(web.exchange.calls) == 3
    web.close()


def test_client_that_reads_nothing_is_cut_off() -> None:
    web = SocketHarness()
    web.stream()
    web.create()
    web.transport.producer.pauseProducing()
    web.clock.pump([30] * 9)
    assert not web.transport.aborted
    web.clock.advance(30)
    assert web.transport.aborted
    web.close()
    assert web.streams[0].happened[-1] == "cancel"


def test_client_that_disconnects_cancels_everything() -> None:
    web = SocketHarness()
    web.stream()
    web.create(stream_id="a")
    waiting = web.exchange.pending()
    web.create(stream_id="b")
    web.create(stream_id="b")
    assert not waiting.called
    web.close()
    assert web.streams[0].happened == ["cancel"]
    assert web.exchange.cancelled == 1
    assert len(web.exchange.calls) == 2


def test_pings_are_sent_and_must_be_answered() -> None:
    web = SocketHarness()
    for _ in range(3):
        web.clock.advance(30)
        assert len(web.frames(Opcode.PING)) == 1
        web.flush()  # the pong
    web.clock.advance(30)
    web.clock.advance(30)
    assert web.transport.aborted
    web.close()


@pytest.mark.parametrize(("size", "codes"), [(100, [1008]), (64 * 1024, [])])
def test_message_must_make_progress(size: int, codes: list[int]) -> None:
    web = SocketHarness()
    wire = frame(Opcode.TEXT, b"x" * 10_000_000)
    for number in range(4):
        web.channel.dataReceived(wire[number * size : (number + 1) * size])
        web.clock.advance(30)
    closed = web.frames(Opcode.CLOSE)
    assert [Close.parse(bytes(each.data)).code for each in closed] == codes
    web.close()


def test_without_pings_nothing_is_cut_off() -> None:
    web = SocketHarness(ping_interval=0.0)
    web.clock.pump([30] * 20)
    assert not web.transport.aborted
    assert not web.frames(Opcode.PING)
    web.close()


def test_silent_response_is_kept_alive() -> None:
    web = SocketHarness()
    web.stream()
    web.create(stream_id="a")
    web.streams[0].write(event("response.created", sequence_number=4, response={"id": "r"}))
    assert web.kinds() == ["response.created"]
    for _ in range(4):
        web.clock.advance(30)
        web.receive()
        web.flush()
    found = web.messages()
    assert found[0] == {"type": "keepalive", "sequence_number": 4, "stream_id": "a"}
    assert len(found) >= 3
    web.close()


def test_old_connection_ends_after_its_response() -> None:
    web = SocketHarness(max_age=60.0)
    web.stream()
    web.create()
    for _ in range(3):
        web.clock.advance(30)
        web.receive()
        web.flush()
    web.create(stream_id="b")
    errors = [each for each in web.messages() if each["type"] == "error"]
    assert [each["error"]["code"] for each in errors] == ["websocket_connection_limit_reached"]
    assert not web.frames(Opcode.CLOSE)
    web.streams[0].write(completed("r1"))
    web.streams[0].finish()
    last = web.messages()
    assert [each["type"] for each in last] == ["response.completed", "error"]
    assert last[1]["error"]["code"] == "websocket_connection_limit_reached"
    assert last[1]["status"] == 400
    assert web.close_code() == 1001
    web.close()


def test_idle_connection_closes_at_shutdown() -> None:
    web = SocketHarness()
    web.site.doStop()
    assert web.close_code() == 1001
    assert not web.transport.aborted
    web.clock.advance(5)
    assert web.transport.aborted
    web.site.doStart()
    web.close()


def test_running_response_is_completed_at_shutdown() -> None:
    web = SocketHarness()
    web.stream()
    web.create()
    web.create()  # waits, and is refused
    web.site.doStop()
    assert [each["status"] for each in web.messages()] == [503]
    idle: list[None] = []
    web.site.finish_all(60).addCallback(idle.append)
    web.clock.advance(0)
    assert not idle
    web.streams[0].write(completed("r1"))
    web.streams[0].finish()
    assert idle == [None]
    assert web.kinds() == ["response.completed"]
    assert web.close_code() == 1001
    web.lose()
    assert not web.clock.getDelayedCalls()


def test_request_that_has_not_begun_fails_at_shutdown() -> None:
    web = SocketHarness()
    web.exchange.pending()
    web.create()
    web.site.doStop()
    web.site.finish_all(60)
    assert web.exchange.cancelled == 1
    (error,) = web.messages()
    assert error["status"] == 503
    assert web.close_code() == 1001
    web.lose()
    web.clock.advance(0)
    assert not web.clock.getDelayedCalls()


def test_running_response_is_cut_off_in_the_end() -> None:
    web = SocketHarness()
    web.stream()
    web.create()
    gone: list[None] = []
    web.site.close_all().addCallback(gone.append)
    assert web.close_code() == 1001
    assert web.streams[0].happened == ["cancel"]
    web.clock.advance(5)
    assert web.transport.aborted
    web.lose()
    assert gone == [None]


def test_history_is_forgotten_with_the_connection() -> None:
    web = SocketHarness()
    web.exchange.answer = lambda call: Reply(200, "text/event-stream", (), completed("r1"))
    web.create(store=False)
    assert web.kinds() == ["response.completed"]
    assert len(web.site.socket_histories) == 1
    web.close()
    assert len(web.site.socket_histories) == 0


def test_history_of_all_connections_is_bounded() -> None:
    web = SocketHarness(max_history_bytes=2000)
    web.exchange.answer = lambda call: Reply(200, "text/event-stream", (), completed("r1"))
    web.create(store=False, input="x" * 3000)
    assert len(web.site.socket_histories) == 0
    assert web.messages()[-1]["response"]["id"] == "r1"
    web.create(store=False, previous_response_id="r1")
    (error,) = web.messages()
    assert error["error"]["code"] == "previous_response_not_found"
    web.close()


def test_calls_know_the_connection() -> None:
    web = SocketHarness()
    web.exchange.answer = lambda call: Reply(200, "text/event-stream", (), completed("r1"))
    web.create(store=False, stream_id="a", input="one")
    web.create(store=False, input="two", previous_response_id="r1", generate=False)
    first, second = (call.turn for _, call in web.exchange.calls)
    assert first is not None
    assert second is not None
    assert first.owner is second.owner
    assert (first.lane, first.generates, first.previous_id) == ("a", True, None)
    assert (second.lane, second.generates, second.previous_id) == (None, False, "r1")
    assert json.loads(second.continuation)["input"] == "two"
    lost: list[int] = []
    first.owner.when_lost(lambda: lost.append(1))
    assert not lost
    web.close()
    first.owner.when_lost(lambda: lost.append(2))
    assert lost == [1, 2]


def large(**members: Any) -> str:
    return json.dumps({"type": "response.create", "model": "m", "input": "x" * LARGE, **members})


def test_nothing_is_read_while_a_large_message_is() -> None:
    exchange = FakeExchange()
    jobs: list[tuple[int, Any, Deferred[Any]]] = []

    def compute(size: int, function: Any) -> Deferred[Any]:
        jobs.append((size, function, Deferred()))
        return jobs[-1][2]

    exchange.compute = compute  # type: ignore[method-assign]
    web = SocketHarness(exchange=exchange)
    web.stream()
    web.client.send_text(large(stream_id="a").encode())
    web.client.send_text(json.dumps({"type": "nonsense"}).encode())
    web.flush()
    ((size, function, done),) = jobs
    assert size > LARGE
    assert not web.transport.is_reading
    assert web.channel.is_busy
    assert not web.messages()
    web.clock.pump([31, 31, 31])  # the client cannot be heard, so it is not cut off
    assert not web.transport.aborted
    done.callback(function())
    assert web.transport.is_reading
    assert len(web.streams) == 1
    assert web.kinds() == ["error"]
    web.close()


def test_disconnect_while_a_large_message_is_read() -> None:
    exchange = FakeExchange()
    cancelled: list[int] = []
    exchange.compute = lambda size, _: Deferred(  # type: ignore[method-assign]
        lambda _: cancelled.append(size)
    )
    web = SocketHarness(exchange=exchange)
    web.send(large())
    web.close()
    assert len(cancelled) == 1
    assert not web.exchange.calls


def test_fault_of_a_computation_is_an_error() -> None:
    exchange = FakeExchange()
    exchange.compute = lambda *_: fail(OverloadedError("Busy."))  # type: ignore[method-assign]
    web = SocketHarness(exchange=exchange)
    web.send(large())
    (message,) = web.messages()
    assert (message["type"], message["status"]) == ("error", 503)
    web.close()
