"""Responses, whole and streamed, to clients that are slow, disconnect, or request the head."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher

from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import ConflictError
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage
from tests.web.builders import FakeStream, WebHarness, settings

ASK = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def logged() -> Any:
    observer = EventLoggingObserver()
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


def failures(logged: Any) -> list[str]:
    return [str(event["log_failure"].value) for event in logged if "log_failure" in event]


def streaming() -> tuple[WebHarness, FakeStream]:
    web = WebHarness()
    stream = FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(ASK)
    return web, stream


def test_whole_response_has_its_length() -> None:
    web = WebHarness()
    web.exchange.answer = lambda call: Reply(
        201, "application/json", (("X-Mapped-Model", "ümlaut\r\nEvil: 1"),), b"{}"
    )
    response = web.request("POST", "/v1/messages", b"{}")
    assert (response.status, response.body) == (201, b"{}")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == "2"
    assert response.headers["server"] == "antigravity"
    assert "evil" not in response.headers
    assert response.headers["x-mapped-model"].startswith("ümlaut")
    assert "date" in response.headers
    web.close()


def test_header_with_half_a_character_is_sent() -> None:
    web = WebHarness()
    headers = (("X-Mapped-Model", "a\ud800b"), ("Vary", "A"), ("vary", "B"), ("Server", "mine"))
    web.exchange.answer = lambda call: Reply(200, "text/plain", headers, b"x")
    response = web.request("POST", "/v1/messages", b"{}")
    assert (response.status, response.headers["x-mapped-model"]) == (200, "a?b")
    assert (response.headers["vary"], response.headers["server"]) == ("A, B", "mine")
    assert web.wire().count(b"Server:") == web.wire().count(b"Date:") == 1


def test_streamed_response_is_chunked() -> None:
    web, stream = streaming()
    assert web.wire().endswith(b"\r\n\r\n")  # the head is out before the first event
    stream.write(b"data: 1\n\n")
    stream.write(b"")
    stream.write(b"data: 2\n\n")
    stream.finish()
    (response,) = web.responses()
    assert response.body == b"data: 1\n\ndata: 2\n\n"
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-mapped-model"] == "m"
    assert stream.happened == []
    assert web.request("GET", "/healthz").status == 200
    web.close()


def test_slow_client_pauses_the_stream() -> None:
    web, stream = streaming()
    web.transport.producer.pauseProducing()
    assert stream.happened == ["pause"]
    web.transport.producer.resumeProducing()
    assert stream.happened == ["pause", "resume"]
    stream.finish()
    web.transport.producer.pauseProducing()
    assert stream.happened == ["pause", "resume"]


def test_stream_to_a_congested_client_starts_paused() -> None:
    web = WebHarness()
    stream = FakeStream()
    waiting: Deferred[Reply] = Deferred()
    web.exchange.answer = lambda call: waiting
    web.send(ASK)
    web.transport.producer.pauseProducing()
    waiting.callback(stream.reply())
    assert stream.happened == ["pause"]
    web.transport.producer.resumeProducing()
    assert stream.happened == ["pause", "resume"]


def test_disconnect_before_the_response_cancels_the_exchange(logged: Any) -> None:
    web = WebHarness()
    web.exchange.pending()
    web.send(ASK)
    web.close()
    assert web.exchange.cancelled == 1
    assert not failures(logged)


def test_disconnect_during_a_stream_cancels_it(logged: Any) -> None:
    web, stream = streaming()
    stream.write(b"data: 1\n\n")
    web.lose()
    assert stream.happened == ["stop", "cancel"]
    before = web.wire()
    stream.write(b"data: 2\n\n")  # what was on its way is dropped
    stream.consumer.unregisterProducer()
    assert web.wire() == before
    assert not failures(logged)
    web.close()


def test_stream_may_fail_when_it_is_cancelled(logged: Any) -> None:
    web = WebHarness()
    stream = FakeStream()

    def ended(_: object) -> None:
        stream.finish()

    stream.done = Deferred(ended)
    web.exchange.answer = lambda call: stream.reply()
    web.send(ASK)
    web.close()
    assert not failures(logged)


def test_reply_after_a_disconnect_is_dropped(logged: Any) -> None:
    web = WebHarness()
    stream = FakeStream()
    late: Deferred[Reply] = Deferred(lambda d: d.callback(stream.reply()))
    web.exchange.answer = lambda call: late
    web.send(ASK)
    web.close()
    assert stream.consumer is None
    assert stream.happened == ["abandon"]
    assert web.wire() == b""
    assert not failures(logged)


def test_error_after_a_disconnect_is_logged(logged: Any) -> None:
    web = WebHarness()
    web.exchange.answer = lambda call: Deferred(lambda d: d.errback(ValueError("a bug")))
    web.send(ASK)
    web.close()
    assert failures(logged) == ["a bug"]


def test_producer_registered_after_a_disconnect_is_stopped() -> None:
    web = WebHarness()
    web.exchange.pending()
    web.send(ASK)
    request = web.channel.request
    web.lose()
    stream = FakeStream()
    stream.start(request)
    assert stream.happened == ["stop"]
    stream.consumer.unregisterProducer()


def test_failed_stream_aborts_the_connection(logged: Any) -> None:
    web, stream = streaming()
    stream.write(b"data: 1\n\n")
    stream.done.errback(ValueError("a bug"))
    assert web.transport.aborted
    assert not web.wire().endswith(b"0\r\n\r\n")
    assert failures(logged) == ["a bug"]
    web.close()


def test_stream_that_fails_to_start_aborts_the_connection(logged: Any) -> None:
    web = WebHarness()

    class Broken:
        def start(self, consumer: object) -> None:
            raise ValueError("a bug")

    web.exchange.answer = lambda call: Reply(200, "text/event-stream", stream=Broken())
    web.send(ASK)
    assert web.transport.aborted
    assert failures(logged) == ["a bug"]


@pytest.mark.parametrize(
    ("response", "status", "logs"),
    [
        (lambda call: fail(ValueError("secret")), 500, True),
        (lambda call: 1 / 0, 500, True),
        (lambda call: succeed("nonsense"), 500, True),
        (lambda call: fail(ConflictError("busy")), 409, False),
        (lambda call: fail(CancelledError()), 503, False),
    ],
)
def test_errors_of_the_exchange_have_the_shape_of_the_protocol(
    response: Any, status: int, logs: bool, logged: Any
) -> None:
    web = WebHarness()
    web.exchange.answer = response
    response = web.request("POST", "/v1/messages", b"{}")
    assert response.status == status
    assert response.json["shape"] == "anthropic"
    assert "secret" not in response.body.decode()
    assert bool(failures(logged)) == logs
    assert web.request("GET", "/healthz").status == 200
    web.close()


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/", "/v1/models/m"])
def test_head_request_gets_headers_without_body(path: str) -> None:
    web = WebHarness()
    got = web.request("GET", path)
    head = web.request("HEAD", path)
    assert head.status == 200
    assert head.headers["x-length"] == got.headers["content-length"]
    assert web.request("GET", "/healthz").status == 200


def test_body_is_freed_when_the_call_is_made() -> None:
    web, stream = streaming()
    request = stream.consumer
    assert request.pop_body() == b""
    assert request.content.read() == b""
    assert web.exchange.call.body == b"{}"


def test_access_log_has_no_key(logged: Any) -> None:
    web = WebHarness(log=True)
    web.request("POST", "/v1/messages?key=sk-secret&x=1", b"{}", "X-Request-Id: abc")
    web.request("POST", "/v1/messages", b"{}")
    web.exchange.pending()
    web.send(ASK)
    web.clock.advance(2)
    web.close()
    events = [event for event in logged if event.get("request_id")]
    assert [event["status"] for event in events] == [200, 200, 499]
    first = events[0]
    assert (first["method"], first["path"], first["request_id"]) == ("POST", "/v1/messages", "abc")
    assert first["size"] == len(b'{"got":2}')
    assert events[2]["seconds"] == 2
    assert not any("sk-secret" in formatEvent(event) + repr(event) for event in logged)
    assert formatEvent(first) == "POST /v1/messages 200 9 B 0.000 s abc"


def test_no_access_log_when_it_is_off(logged: Any) -> None:
    web = WebHarness(log=False)
    web.request("GET", "/healthz")
    web.request("POST", "/v1/messages", b"{}")
    web.close()
    assert not [event for event in logged if event.get("request_id")]
    assert web.exchange.call.take_record is None  # the exchange logs it alone


def record(outcome: Any = "ok") -> ExchangeRecord:
    attempt = AttemptRecord("up", "m-1", "cred", "anthropic", True, 0.0)
    if outcome == "error":
        attempt.error = "UpstreamError: w"
    return ExchangeRecord(
        "an-id",
        "anthropic",
        "generate",
        "m",
        0.0,
        mapped_model="m-1",
        outcome=outcome,
        usage=Usage(input_total=3, output=4) if outcome == "ok" else None,
        attempts=[attempt],
    )


@pytest.mark.parametrize(
    ("outcome", "level", "end"),
    [
        ("ok", "info", "anthropic m -> up/m-1 by cred: ok, 3 + 4 tokens, 1 attempt"),
        (
            "error",
            "warn",
            ("anthropic m -> up/m-1 by cred: error, 1 attempt: up (cred): UpstreamError: w"),
        ),
        (
            "cancelled",
            "info",
            "anthropic m -> up/m-1 by cred: cancelled, 1 attempt",
        ),
    ],
)
def test_line_of_a_request_says_how_it_was_served(
    outcome: Any, level: str, end: str, logged: Any
) -> None:
    web = WebHarness(log=True)
    exchanged = record(outcome)

    def answer(call: Any) -> Reply:
        assert call.take_record(exchanged)
        return Reply(200, "application/json", (), b"{}")

    web.exchange.answer = answer
    web.request("POST", "/v1/messages", b"{}", "X-Request-Id: abc")
    web.close()
    (event,) = [event for event in logged if event.get("request_id")]
    assert formatEvent(event) == f"POST /v1/messages 200 2 B 0.000 s abc: {end}"
    assert event["log_level"].name == level
    assert (event["model"], event["mapped"], event["outcome"]) == ("m", "m-1", outcome)
    assert (event["input"], event["output"]) == ((3, 4) if outcome == "ok" else (None, None))


def test_line_of_a_stream_is_written_at_its_end(logged: Any) -> None:
    web, stream = WebHarness(log=True), FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(ASK)
    stream.write(b"data: 1\n\n")
    assert not [event for event in logged if event.get("request_id")]
    call = web.exchange.call
    assert call.take_record is not None
    assert call.take_record(record())
    web.app.configure(settings(log=False))  # the record is logged all the same
    stream.finish()
    (event,) = [event for event in logged if event.get("request_id")]
    assert "ok, 3 + 4 tokens" in formatEvent(event)
    web.close()


def test_record_after_the_line_is_not_taken(logged: Any) -> None:
    web = WebHarness(log=True)
    web.exchange.pending()
    web.send(ASK)
    web.close()
    (event,) = [event for event in logged if event.get("request_id")]
    assert event["status"] == 499
    call = web.exchange.call
    assert call.take_record is not None
    assert not call.take_record(record())
    assert len([event for event in logged if event.get("request_id")]) == 1
