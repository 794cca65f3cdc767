"""How the gateway speaks to servers over HTTP: answers, streams that are cut off, revisions."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import CancelledError

from antigravity.interfaces.mcp_values import McpError
from antigravity.ir.errors import DeadlineError, GatewayError, UpstreamError
from antigravity.mcp.client.errors import McpConnectionError, McpTimeoutError, SessionLostError
from tests.mcp.fake_transport import Response
from tests.mcp.remote_servers import (
    BODY,
    DISCOVERED,
    INITIALIZED,
    NOTE,
    SSE,
    FakeConnection,
    FakeSession,
    event,
    outcome,
    result,
    whole,
)


def test_post_reads_json_response() -> None:
    line = FakeConnection(whole(result()))
    assert line.post() == [None]
    assert line.heard == [result()]
    headers = line.remote.headers
    assert headers["accept"] == "application/json, text/event-stream"
    assert headers["authorization"] == "Bearer OURS"
    assert "mcp-session-id" not in headers


def test_post_of_notification_accepts_202() -> None:
    assert FakeConnection(Response(202)).post(None) == [None]


def test_post_stream_ends_with_response() -> None:
    response = Response(headers=SSE)
    line = FakeConnection(response)
    done = line.post()
    response.send(b": hello\n\n" + event(NOTE))
    assert done == []
    response.send(event(result()))
    assert done == [None]
    assert line.heard == [NOTE, result()]
    assert response.aborted


def test_session_id_is_stored_and_sent() -> None:
    line = FakeConnection(whole(result(), headers={"mcp-session-id": "s-1"}), whole(result()))
    line.post()
    line.link.version = "2025-06-18"
    line.post()
    assert line.remote.headers["mcp-session-id"] == "s-1"
    assert line.remote.headers["mcp-protocol-version"] == "2025-06-18"
    line.remote.answers.append(Response(204))
    outcome(line.link.end_session())
    assert line.remote.requests[-1].method == "DELETE"
    assert line.link.session == ""


@pytest.mark.parametrize("status", [200, 404])
def test_json_rpc_error_is_delivered_for_any_status(status: int) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}
    line = FakeConnection(whole(error, status))
    assert line.post() == [None]
    assert line.heard == [error]


@pytest.mark.parametrize(
    ("answer", "word", "status"),
    [
        (Response(500, body=b"<html>"), "500", 500),
        (Response(401), "rejected the key", 401),
        (Response(307, {"location": "https://x"}), "another address", 307),
        (Response(200, body=b"<html>"), "other than the response", 200),
        (Response(202), "other than the response", 202),
        (DeadlineError("late"), "30 seconds", 0),
        (UpstreamError("connection refused by far:443"), "cannot be reached", 0),
    ],
)
def test_invalid_response_raises_connection_error(
    answer: Response | Exception, word: str, status: int
) -> None:
    (error,) = FakeConnection(answer).post()
    assert isinstance(error, McpConnectionError)
    assert word in error.message
    assert error.http_status == status
    assert "OURS" not in error.message


def test_404_in_session_raises_session_lost() -> None:
    line = FakeConnection(
        whole({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}, 404)
    )
    line.link.session = "s-1"
    (error,) = line.post()
    assert isinstance(error, SessionLostError)
    assert line.link.session == ""


def test_broken_stream_is_resumed_from_last_event() -> None:
    first, second, third = (Response(headers=SSE) for _ in range(3))
    line = FakeConnection(first, second, third)
    done = line.post()
    first.send(b"id: a\nretry: 500\ndata:\n\n")
    first.end()
    line.clock.advance(0.4)
    assert len(line.remote.requests) == 1
    line.clock.advance(0.1)
    assert line.remote.requests[1].method == "GET"
    assert line.remote.headers["last-event-id"] == "a"
    second.send(event(NOTE, "b"))
    second.end(UpstreamError("broke off"))
    line.clock.advance(0.5)
    line.clock.advance(0.5)
    assert line.remote.headers["last-event-id"] == "b"
    third.send(event(result()))
    assert done == [None]
    assert line.heard == [NOTE, result()]


def test_broken_stream_without_ids_fails() -> None:
    response = Response(headers=SSE)
    line = FakeConnection(response)
    done = line.post()
    response.send(event(NOTE))
    response.end()
    assert isinstance(done[0], McpConnectionError)
    assert len(line.remote.requests) == 1


def test_resuming_stops_after_empty_streams() -> None:
    responses = [Response(headers=SSE) for _ in range(20)]
    line = FakeConnection(*responses)
    done = line.post()
    responses[0].send(event(NOTE, "a"))
    for response in responses:
        if done:
            break
        response.end()
        line.clock.advance(1)
    assert isinstance(done[0], McpConnectionError)
    assert len(line.remote.requests) == 6


def test_resume_rejected_by_server_fails() -> None:
    response = Response(headers=SSE)
    line = FakeConnection(response, Response(400))
    done = line.post()
    response.send(event(NOTE, "a"))
    response.end()
    line.clock.advance(1)
    assert "did not store" in done[0].message


def test_cancelled_post_closes_connection() -> None:
    response = Response(headers=SSE)
    line = FakeConnection(response)
    posting = line.link.post(BODY, about=1)
    done = outcome(posting)
    posting.cancel()
    assert isinstance(done[0], CancelledError)
    assert response.aborted
    assert line.clock.getDelayedCalls() == []


def test_pause_and_resume_apply_to_all_streams() -> None:
    first, second = Response(headers=SSE), Response(headers=SSE)
    line = FakeConnection(first, second)
    line.post()
    line.link.pause()
    assert first.paused
    line.post(2)
    assert second.paused
    line.link.resume()
    assert (first.paused, second.paused) == (False, False)


def test_listen_reconnects_with_last_event_id() -> None:
    response = Response(headers=SSE)
    line = FakeConnection(response, Response(headers=SSE))
    line.link.session = "s-1"
    done = outcome(line.link.listen())
    assert line.remote.requests[0].timeouts.idle == 0
    response.send(event(NOTE, "n-1"))
    response.end()
    line.clock.advance(1)
    assert done == [True]
    outcome(line.link.listen())
    assert line.remote.headers["last-event-id"] == "n-1"
    assert outcome(FakeConnection(Response(405)).link.listen()) == [False]
    assert isinstance(outcome(FakeConnection(Response(503)).link.listen())[0], McpConnectionError)


# -- revisions --


def test_handshake_tries_newest_revision_first() -> None:
    handshake = FakeSession(whole(DISCOVERED))
    assert handshake.initialize() == [None]
    assert handshake.session.is_modern
    assert handshake.session.capabilities == {"tools": {}}
    headers = handshake.remote.headers
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "server/discover"
    meta = json.loads(handshake.remote.requests[0].body)["params"]["_meta"]
    assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "antigravity"


@pytest.mark.parametrize(
    "answer",
    [
        whole({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}),
        whole({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}, 400),
        whole({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "no"}}, 400),
        Response(404, body=b"<html>"),
        Response(405),
        Response(500, body=b"Internal Server Error"),
        Response(503),
        Response(202),
        Response(204),
        Response(200, {"content-type": "text/html"}, b"<html>"),
        whole([]),
        whole({"id": 1, "jsonrpc": "2.0"}),
        whole(result(1, supportedVersions=None)),
        whole(result(1, supportedVersions=["2025-06-18"], capabilities={})),
        whole(result(1)),
    ],
)
def test_handshake_falls_back_to_initialize(answer: Response) -> None:
    handshake = FakeSession(answer, whole(INITIALIZED), Response(202))
    assert handshake.initialize() == [None]
    assert not handshake.session.is_modern
    assert handshake.session.version == "2025-06-18"
    assert handshake.sent == ["server/discover", "initialize", "notifications/initialized"]
    initialize = handshake.remote.requests[1]
    assert "mcp-protocol-version" not in dict(initialize.headers)
    assert "_meta" not in json.loads(initialize.body)["params"]
    assert handshake.remote.headers["mcp-protocol-version"] == "2025-06-18"


@pytest.mark.parametrize("answer", [Response(401), Response(307), UpstreamError("refused")])
def test_handshake_fails_without_fallback_on_outage(answer: Response | Exception) -> None:
    handshake = FakeSession(answer)
    assert isinstance(handshake.initialize()[0], GatewayError)
    assert handshake.sent == ["server/discover"]


def test_handshake_falls_back_after_silence() -> None:
    handshake = FakeSession()
    handshake.remote.hold = True
    done = handshake.initialize()
    handshake.clock.advance(10)
    assert handshake.sent == ["server/discover", "initialize"]
    handshake.clock.advance(60)
    assert isinstance(done[0], McpTimeoutError)


def test_handshake_repeats_discovery_for_slow_server() -> None:
    slow = whole({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "starting"}})
    modern = {"jsonrpc": "2.0", "id": 2, "error": {"code": -32022, "message": "no"}}
    again = result(3, supportedVersions=["2026-07-28"], capabilities={})
    handshake = FakeSession(slow, whole(modern, 400), whole(again))
    assert handshake.initialize() == [None]
    assert handshake.session.is_modern


@pytest.mark.parametrize("version", ["1999-01-01", None, "2026-07-28"])
def test_handshake_rejects_unknown_revision(version: object) -> None:
    no = whole({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}})
    handshake = FakeSession(no, whole(result(2, protocolVersion=version)))
    assert "unknown revision" in handshake.initialize()[0].message


def test_server_requests_are_rejected_except_ping() -> None:
    response = Response(headers=SSE)
    handshake = FakeSession(whole(DISCOVERED), response)
    handshake.initialize()
    handshake.session.request("tools/call", {"name": "x"})
    ask = {"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}}
    response.send(event(ask) + event({**ask, "id": "p", "method": "ping"}))
    refusal, pong = (json.loads(r.body) for r in handshake.remote.requests[2:])
    assert (refusal["id"], refusal["error"]["code"]) == ("q", -32601)
    assert pong == {"jsonrpc": "2.0", "id": "p", "result": {}}


def test_server_error_is_raised_unchanged() -> None:
    error = {"jsonrpc": "2.0", "id": 2, "error": {"code": 5, "message": "no", "data": [1]}}
    handshake = FakeSession(whole(DISCOVERED), whole(error))
    handshake.initialize()
    (found,) = outcome(handshake.session.request("tools/list", {}))
    assert isinstance(found, McpError)
    assert (found.code, found.message, found.data) == (5, "no", [1])


def test_close_ends_pending_requests() -> None:
    response = Response(headers=SSE)
    handshake = FakeSession(whole(DISCOVERED), response)
    handshake.initialize()
    running = outcome(handshake.session.request("tools/list", {}))
    assert outcome(handshake.session.channel.close()) == [None]
    assert response.aborted
    assert "disconnected" in running[0].message
    assert handshake.clock.getDelayedCalls() == []
