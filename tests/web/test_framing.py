"""Framing, limits, timeouts and pipelining, in raw bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from antigravity.config.secret import Secret
from antigravity.interfaces.exchange import Reply
from tests.web.builders import FakeStream, WebHarness, parse

HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"


def refused(web: WebHarness, status: int) -> None:
    """Check that the one response is ``status`` and that nothing more is read."""
    (response,) = web.responses()
    assert response.status == status, response.body
    assert response.headers["connection"] == "close"
    assert response.json["message"]
    assert "x-request-id" in response.headers
    before = web.wire()
    web.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert web.wire() == before
    assert not web.exchange.calls
    assert web.transport.half_closed
    assert not web.transport.aborted
    web.clock.advance(6)
    assert web.transport.aborted
    web.close()


@pytest.mark.parametrize(
    "wire",
    [
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: 0x2\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" + b"x" * 2000,
        HEAD + b"Bad Header: 1\r\n\r\n",
        HEAD + b"Content-Length : 2\r\n\r\n{}",
        HEAD + b"No-Colon\r\n\r\n",
        HEAD + b"Nul: a\x00b\r\n\r\n",
        *(
            HEAD + b"Accept: x\r\nAccept: a" + byte + b"Content-Length: 9\r\n\r\n"
            for byte in (b"\n", b"\r", b"\0")
        ),
        b"POST /v1/messages HTTP/1.1\r\n Folded: 1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/messages\r\n\r\n",
        b"POST /v1/messages HTTP/2.0\r\n\r\n",
        b"PO ST /v1/messages HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n",
    ],
)
def test_message_with_ambiguous_framing_is_refused(wire: bytes) -> None:
    web = WebHarness()
    web.send(wire)
    refused(web, 400)
    web = WebHarness()
    for byte in wire:
        web.send(bytes([byte]))
    refused(web, 400)


@pytest.mark.parametrize(
    "wire",
    [
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost:\r\n\r\n",
    ],
)
def test_exactly_one_host_header_is_required(wire: bytes) -> None:
    web = WebHarness()
    web.send(wire)
    (response,) = web.responses()
    assert response.status == 400
    assert "Host" in response.json["message"]


def test_body_with_too_large_content_length_is_refused_before_it_is_read() -> None:
    web = WebHarness(max_body_bytes=1000)
    web.send(HEAD + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    refused(web, 413)
    web = WebHarness(max_body_bytes=1000)
    web.send(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n")
    refused(web, 413)


def test_chunked_body_is_refused_at_the_limit() -> None:
    web = WebHarness(max_body_bytes=1000)
    web.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    web.send(b"1f4\r\n" + b"x" * 500 + b"\r\n1f4\r\n" + b"x" * 500 + b"\r\n")
    assert web.wire() == b""
    web.send(b"1\r\nx")
    refused(web, 413)
    web = WebHarness(max_body_bytes=1000)
    web.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n" + b"x" * 1001)
    refused(web, 413)


def test_refused_request_need_not_send_its_body() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret("k"))
    web.send(HEAD + b"Content-Length: 500000\r\nExpect: 100-continue\r\n\r\n")
    refused(web, 401)


def test_too_many_and_too_large_headers_are_refused() -> None:
    web = WebHarness()
    web.send(HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(300)))
    refused(web, 431)
    web = WebHarness()
    web.send(HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)))
    refused(web, 431)
    web = WebHarness()
    web.send(HEAD + b"X: " + b"y" * 70000)
    refused(web, 431)
    web = WebHarness()
    web.send(b"GET /" + b"y" * 70000)
    refused(web, 431)


def test_expect_100_continue_gets_an_interim_response() -> None:
    web = WebHarness()
    web.send(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert web.wire() == b"HTTP/1.1 100 Continue\r\n\r\n"
    web.send(b"{}")
    assert [response.status for response in web.responses()] == [100, 200]
    web.close()


def test_chunk_extensions_and_trailers_are_ignored() -> None:
    web = WebHarness()
    web.send(
        HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0003\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
        + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert web.exchange.call.body == b"{}abc"
    assert "x-t" not in web.exchange.call.headers
    assert [response.status for response in web.responses()] == [200, 200]


def test_http_1_0_request_closes_the_connection() -> None:
    web = WebHarness()
    web.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert web.wire().startswith(b"HTTP/1.0 200 OK\r\n")
    assert web.wire().endswith(b'{"status":"ok"}')
    assert web.transport.disconnecting
    web = WebHarness()
    stream = FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(b"POST /v1/messages HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
    stream.write(b"data")
    stream.finish()
    head, _, body = web.wire().partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body == b"data"
    assert web.transport.disconnecting


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "close, TE"])
def test_connection_header_closes_the_connection(value: str) -> None:
    web = WebHarness()
    response = web.request("GET", "/healthz", None, f"Connection: {value}")
    assert response.headers["connection"] == "close"
    assert web.transport.disconnecting


def test_pipelined_requests_are_processed_in_order() -> None:
    web = WebHarness()
    waiting: list[Deferred[Reply]] = []

    def response(call: object) -> Deferred[Reply]:
        waiting.append(Deferred())
        return waiting[-1]

    web.exchange.answer = response
    web.send(
        (HEAD + b"Content-Length: 1\r\n\r\n") * 1 + b"1" + HEAD + b"Content-Length: 1\r\n\r\n2"
    )
    web.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert len(waiting) == 1
    waiting[0].callback(Reply(200, "text/plain", (), b"one"))
    web.clock.advance(0)
    assert len(waiting) == 2
    waiting[1].callback(Reply(200, "text/plain", (), b"two"))
    assert [response.body for response in web.responses()] == [b"one", b"two", b'{"status":"ok"}']
    assert [call.body for _, call in web.exchange.calls] == [b"1", b"2"]
    web.close()


def test_pipelined_requests_take_one_reactor_turn_each() -> None:
    web = WebHarness()
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    web.send(health * 1000)
    assert len(parse(web.wire())) == 1
    web.responses()
    assert len(web.responses()) == 1000


def test_disconnect_between_pipelined_requests_leaves_no_timer() -> None:
    web = WebHarness()
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    web.send(health * 2)
    web.close()
    assert len(web.responses()) == 1
    assert not web.clock.getDelayedCalls()


def test_refused_request_ends_the_pipeline() -> None:
    web = WebHarness(max_body_bytes=10)
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    web.send(health + HEAD + b"Content-Length: 99\r\n\r\n" + health)
    assert [response.status for response in web.responses()] == [200, 413]


def test_reading_pauses_while_too_many_bytes_are_pending() -> None:
    web = WebHarness()
    web.exchange.pending()
    web.send(HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert web.transport.producerState == "producing"
    for _ in range(20):
        web.send(b"x" * 1000)
    assert web.transport.producerState == "paused"


PIPELINE = (
    HEAD
    + b"Content-Length: 5\r\n\r\nhello"
    + HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    + b"\r\nGET /v1/models?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n"
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(PIPELINE)), max_size=12))
def test_segmentation_does_not_change_the_calls(cuts: list[int]) -> None:
    web = WebHarness()
    places = [0, *sorted(cuts), len(PIPELINE)]
    for start, stop in itertools.pairwise(places):
        if start != stop:
            web.send(PIPELINE[start:stop])
    assert [response.status for response in web.responses()] == [200, 200, 200]
    assert [call.body for _, call in web.exchange.calls] == [b"hello", b"abcde", b""]
    web.close()


def test_slow_head_times_out() -> None:
    web = WebHarness(body_timeout=60, idle_timeout=500)
    web.send(b"P")
    for byte in (HEAD + b"X-Slow: " + b"y" * 100)[1:]:
        web.send(bytes([byte]))
        web.clock.advance(1)
        if web.wire():
            break
    assert 59 <= web.clock.seconds() <= 61
    refused(web, 408)


def test_stuck_body_times_out() -> None:
    web = WebHarness(body_timeout=60)
    web.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(59):
        web.clock.advance(1)
        web.send(b"x")
    assert web.wire() == b""
    web.clock.advance(2)
    refused(web, 408)


def test_slow_body_that_makes_progress_does_not_time_out() -> None:
    web = WebHarness(body_timeout=60)
    web.send(HEAD + b"Content-Length: 2000000\r\n\r\n")
    for _ in range(200):
        web.clock.advance(1)
        web.send(b"x" * 10000)
    assert web.responses()[0].status == 200
    web.close()


def test_idle_connection_is_closed() -> None:
    web = WebHarness(idle_timeout=120)
    web.clock.advance(119)
    assert web.request("GET", "/healthz").status == 200
    web.clock.advance(119)
    assert not web.transport.disconnecting
    web.clock.advance(2)
    assert web.transport.disconnecting
    web.close()


def test_stream_does_not_time_out() -> None:
    web = WebHarness(idle_timeout=10, body_timeout=10)
    stream = FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(HEAD + b"Content-Length: 2\r\n\r\n{}")
    web.clock.advance(100_000)
    assert not web.transport.disconnecting
    stream.write(b"late")
    stream.finish()
    assert web.responses()[0].body == b"late"
    web.clock.advance(9)
    assert not web.transport.disconnecting
    web.clock.advance(2)
    assert web.transport.disconnecting
    web.close()


def test_unsent_response_keeps_the_connection() -> None:
    web = WebHarness(idle_timeout=10)
    web.request("GET", "/healthz")
    web.channel.pauseProducing()
    web.clock.advance(100)
    assert not web.transport.disconnecting
    web.channel.resumeProducing()
    web.clock.advance(100)
    assert web.transport.disconnecting


def test_timeout_of_zero_is_no_limit() -> None:
    web = WebHarness(idle_timeout=0, body_timeout=0, max_body_bytes=0)
    web.clock.advance(10_000)
    web.send(HEAD + b"Content-Length: 5\r\n\r\n")
    web.clock.advance(10_000)
    web.send(b"hello")
    assert web.exchange.call.body == b"hello"
    web.close()


def test_connection_uses_one_timer() -> None:
    web = WebHarness()
    for _ in range(50):
        web.request("POST", "/v1/messages", b"{}")
        web.clock.advance(0.1)
        assert len(web.clock.getDelayedCalls()) == 1
    web.close()


def test_disconnect_during_a_request_leaves_no_timer() -> None:
    for wire in (b"", b"PO", HEAD, HEAD + b"Content-Length: 5\r\n\r\nab"):
        web = WebHarness()
        if wire:
            web.send(wire)
        web.close()
        assert not web.exchange.calls


def test_parser_of_the_tests_is_strict() -> None:
    with pytest.raises(AssertionError):
        parse(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")
