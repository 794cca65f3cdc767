"""What goes up to a remote server and what comes down; whose session is whose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.errors import DeadlineError, UpstreamError
from tests.mcp.fake_transport import Response
from tests.mcp.fixtures import Reader
from tests.mcp.relay_fixture import CALL, OPEN, Relay
from tests.mcp.remote_servers import SSE


def test_relay_forwards_mcp_headers_only() -> None:
    relay = Relay()
    relay.ask(
        accept="application/json, text/event-stream",
        content_type="application/json",
        mcp_protocol_version="2026-07-28",
        mcp_method="tools/call",
        mcp_name="x",
        mcp_param_region="eu",
        user_agent="curl",
        host="127.0.0.1",
        origin="http://page",
        x_forwarded_for="10.0.0.1",
        x_custom="1",
    )
    assert {k: v for k, v in relay.remote.headers.items() if k != "user-agent"} == {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "x",
        "mcp-param-region": "eu",
        "authorization": "Bearer OURS",
    }
    assert relay.remote.headers["user-agent"].startswith("antigravity-gateway/")
    request = relay.remote.requests[-1]
    assert (request.method, request.url) == ("POST", "https://remote.example/mcp")
    assert json.loads(request.body) == CALL


def test_relay_returns_response_unchanged() -> None:
    headers = {
        "mcp-protocol-version": "2025-06-18",
        "retry-after": "3",
        "set-cookie": "a=b",
        "www-authenticate": "Bearer",
        "server": "nginx",
        "content-length": "8",
    }
    reply = Relay(Response(429, headers, b'{"a": 1}')).ask()
    assert (reply.status, reply.body, reply.content_type) == (429, b'{"a": 1}', "application/json")
    assert dict(reply.headers) == {"Mcp-Protocol-Version": "2025-06-18", "Retry-After": "3"}


def test_relay_session_is_bound_to_principal() -> None:
    relay = Relay()
    mine = relay.open("alice")
    assert mine != "theirs-1"
    assert relay.ask(mcp_session_id=mine).status == 200
    assert relay.remote.headers["mcp-session-id"] == "theirs-1"
    sent = len(relay.remote.requests)
    for principal, name in (("bob", mine), ("", mine), ("alice", "theirs-1"), ("alice", "x")):
        for method in ("POST", "GET", "DELETE"):
            reply = relay.ask(method, principal=principal, mcp_session_id=name)
            assert reply.status == 404
            assert relay.error(reply)["error"]["code"] == -32001
    assert len(relay.remote.requests) == sent


def test_relay_maps_equal_upstream_sessions_to_separate_sessions() -> None:
    relay = Relay()
    alice, bob = relay.open("alice"), relay.open("bob")
    assert alice != bob
    assert relay.ask(principal="bob", mcp_session_id=bob).status == 200
    assert relay.ask(principal="alice", mcp_session_id=bob).status == 404


def test_relay_session_keeps_id_and_ends_on_404() -> None:
    relay = Relay()
    mine = relay.open()
    relay.remote.answers.append(Response(headers=OPEN))
    assert dict(relay.ask(mcp_session_id=mine).headers)["Mcp-Session-Id"] == mine
    relay.remote.answers.append(Response(404, body=b'{"error": 1}'))
    reply = relay.ask(mcp_session_id=mine)
    assert (reply.status, reply.body) == (404, b'{"error": 1}')
    assert relay.ask(mcp_session_id=mine).status == 404
    assert len(relay.remote.requests) == 3


def test_relay_delete_ends_session() -> None:
    relay = Relay()
    mine = relay.open()
    relay.remote.answers.append(Response(204))
    assert relay.ask("DELETE", mcp_session_id=mine).status == 204
    assert relay.remote.requests[-1].method == "DELETE"
    assert relay.ask(mcp_session_id=mine).status == 404


def test_relay_sessions_expire_and_are_bounded() -> None:
    relay = Relay()
    relay.endpoint.sessions.ttl, relay.endpoint.sessions.most = 100.0, 3
    first = relay.open()
    relay.clock.advance(99)
    assert relay.ask(mcp_session_id=first).status == 200
    relay.clock.advance(101)
    assert relay.ask(mcp_session_id=first).status == 404
    names = [relay.open() for _ in range(4)]
    assert len(relay.endpoint.sessions) == 3
    assert relay.ask(mcp_session_id=names[0]).status == 404
    assert relay.ask(mcp_session_id=names[1]).status == 200


@pytest.mark.parametrize("status", [401, 403])
def test_relay_returns_503_when_its_own_key_is_rejected(status: int) -> None:
    response = Response(status, {"www-authenticate": "Bearer"}, b"key OURS is wrong")
    reply = Relay(response).ask()
    assert reply.status == 503
    assert reply.headers == ()
    assert b"OURS" not in reply.body
    found = json.loads(reply.body)
    assert found["id"] == 7
    assert "gateway's key" in found["error"]["message"]
    assert response.aborted


@pytest.mark.parametrize(
    ("failure", "status", "word"),
    [
        (DeadlineError("late", code="first_byte_timeout"), 504, "30 seconds"),
        (UpstreamError("connection refused by remote.example:443"), 502, "refused"),
        (Response(308, {"location": "https://elsewhere"}), 502, "address"),
    ],
)
def test_relay_returns_error_for_transport_failure(
    failure: Response | Exception, status: int, word: str
) -> None:
    relay = Relay(failure)
    reply = relay.ask()
    assert reply.status == status
    assert word in relay.error(reply)["error"]["message"]
    assert relay.running == []


def test_relay_stream_applies_back_pressure() -> None:
    response = Response(headers=SSE)
    relay = Relay(response)
    reader = Reader(relay.ask())
    assert len(relay.running) == 1
    response.send(b"id: 1\ndata: {}\n")
    response.send(b"\n: ping\n\n")
    assert reader.raw == b"id: 1\ndata: {}\n\n: ping\n\n"
    reader.producer.pauseProducing()
    assert response.paused
    reader.producer.resumeProducing()
    assert not response.paused
    assert not reader.is_over
    response.end()
    assert reader.is_over
    assert relay.running == []
    assert not response.aborted


def test_relay_aborts_upstream_when_client_disconnects() -> None:
    response = Response(headers=SSE)
    relay = Relay(response)
    Reader(relay.ask()).leave()
    assert response.aborted
    assert relay.running == []


def test_relay_cancels_request_when_client_disconnects() -> None:
    relay = Relay()
    relay.remote.hold = True
    asking = relay.send()
    assert len(relay.running) == 1
    asking.addErrback(lambda failure: None)
    asking.cancel()
    assert relay.remote.cancelled == 1
    assert relay.running == []


def test_relay_aborts_abandoned_stream() -> None:
    response = Response(headers=SSE)
    relay = Relay(response)
    relay.ask().stream.abandon()
    assert response.aborted
    assert relay.running == []


def test_relay_stream_fails_when_upstream_breaks_off() -> None:
    response = Response(headers=SSE)
    reader = Reader(Relay(response).ask())
    broken: list[Any] = []
    reader.done.addErrback(broken.append)
    response.end(UpstreamError("broke off"))
    assert broken[0].check(UpstreamError)


def test_relay_stop_ends_streams() -> None:
    responses = [Response(headers=SSE), Response(headers=SSE)]
    relay = Relay(*responses)
    reader = Reader(relay.ask("GET", accept="text/event-stream"))
    unread = relay.ask()
    relay.endpoint.stop()
    assert reader.is_over
    assert [response.aborted for response in responses] == [True, True]
    assert Reader(unread).is_over
    assert relay.running == []


def test_relay_listening_streams_have_no_idle_timeout_and_do_not_delay_shutdown() -> None:
    relay = Relay(*(Response(headers=SSE) for _ in range(3)))
    relay.ask("GET")
    relay.ask(mcp_method="subscriptions/listen")
    assert [request.timeouts.idle for request in relay.remote.requests] == [0.0, 0.0]
    assert relay.running == []
    relay.ask()
    assert relay.remote.requests[-1].timeouts.idle == 30.0
    assert len(relay.running) == 1


def test_relay_limits_concurrent_requests() -> None:
    relay = Relay(*(Response(headers=SSE) for _ in range(2)))
    relay.endpoint.most = 1
    first = relay.ask()
    assert relay.ask().status == 503
    first.stream.abandon()
    assert relay.ask().status == 200


def test_relay_rejects_other_methods() -> None:
    assert Relay().ask("PUT").status == 405


def test_relay_target_hides_key_in_repr() -> None:
    assert "OURS" not in repr(Relay().endpoint.remote)


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml"])
def test_relay_serves_html_as_plain_text(kind: str) -> None:
    relay = Relay(Response(502, {"content-type": kind}, b"<script>"))
    reply = relay.ask("GET")
    assert (reply.status, reply.content_type) == (502, "text/plain; charset=utf-8")
    assert reply.body == b"<script>"


def test_relay_forwards_last_event_id_in_session_only() -> None:
    relay = Relay()
    relay.ask("GET", last_event_id="of-another")
    assert "last-event-id" not in relay.remote.headers
    name = relay.open()
    relay.ask("GET", last_event_id="9", mcp_session_id=name)
    assert relay.remote.headers["last-event-id"] == "9"


def whole(body: bytes, status: int = 200) -> Response:
    return Response(status, body=body)


@pytest.mark.parametrize(
    ("response", "outcome", "status"),
    [
        (whole(b'{"result": {"content": []}}'), "ok", 200),
        (whole(b'{"result": {"isError": true}}'), "error", 200),
        (whole(b'{"error": {"code": -32602, "message": "no"}}'), "error", 200),
        (whole(b"[1]"), "ok", 200),
        (whole(b"", 202), "ok", 202),
        (whole(b"no", 500), "error", 500),
        (whole(b"", 401), "error", 503),
        (DeadlineError("late"), "error", 504),
        (ValueError("a fault"), "error", 500),
    ],
)
def test_relayed_call_of_tool_is_noted(
    response: Response | Exception, outcome: str, status: int
) -> None:
    relay = Relay(response)
    sent = relay.send(user_agent="codex/1.0")
    sent.addErrback(lambda failure: failure.trap(ValueError) and None)
    ((call, end),) = relay.ended
    assert (call.requested, call.tool, call.server, call.client) == ("x", "", "Search", "codex/1.0")
    assert (end.outcome, end.status) == (outcome, status)
    assert (end.error is None) == (outcome == "ok")


def test_relayed_stream_is_noted_when_it_ends() -> None:
    for finish, outcome in (
        (lambda response, stream: response.end(), "ok"),
        (lambda response, stream: response.end(ConnectionError()), "error"),
        (lambda response, stream: stream.abandon(), "cancelled"),
        (lambda response, stream: stream.finish(), "error"),
    ):
        response = Response(headers=SSE)
        relay = Relay(response)
        reply = relay.ask()
        stream: Any = reply.stream
        Reader(reply).done.addErrback(lambda failure: None)
        assert relay.ended == []
        finish(response, stream)
        ((_, end),) = relay.ended
        assert end.outcome == outcome


def test_other_requests_are_not_noted() -> None:
    relay = Relay()
    relay.ask(body={**CALL, "method": "tools/list", "params": {"name": "tools/call"}})
    relay.ask("GET")
    assert relay.ended == []
    relay.ask(body=[CALL, {**CALL, "params": {"name": "y"}}])
    assert [call.requested for call, _ in relay.ended] == ["x", "y"]
