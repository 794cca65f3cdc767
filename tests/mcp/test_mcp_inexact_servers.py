"""Servers that are not exact: nobody waits for them longer than needed, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from antigravity.interfaces.mcp_values import McpError, ToolError
from antigravity.mcp.client import list_entries, list_sync
from antigravity.mcp.client.errors import McpConnectionError, SessionLostError
from antigravity.mcp.client.relayed_objects import tool_result
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.client.stdio_channel import StdioChannel
from antigravity.mcp.protocol.messages import Notification, Request, parse_responses
from antigravity.mcp.protocol.messages import Response as Answer
from antigravity.redaction.credentials import CREDENTIALS
from tests.mcp.fake_transport import Response
from tests.mcp.fixtures import Reader, answer
from tests.mcp.relay_fixture import CALL, Relay
from tests.mcp.remote_servers import (
    DISCOVERED,
    SSE,
    ConnectedServer,
    FakeConnection,
    FakeSession,
    event,
    outcome,
    whole,
)

GOOD: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "error": None},
    {"id": 2, "result": {"x": 1}},
    {"jsonrpc": "1.0", "id": 2, "result": {"x": 1}},
    {"jsonrpc": "2.0", "id": "2", "result": {"x": 1}},
    {"jsonrpc": "2.0", "id": 2.0, "result": {"x": 1}},
    {"jsonrpc": "2.0", "result": {"x": 1}},
    {"jsonrpc": "2.0", "id": None, "result": {"x": 1}},
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "method": None},
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "error": {}},
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "error": False},
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "error": ""},
    {"jsonrpc": "2.0", "id": 2, "result": {"x": 1}, "error": {"code": 0, "message": ""}},
]
EMPTY: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 2, "result": None},
    {"jsonrpc": "2.0", "id": 2, "result": None, "error": None},
    {"jsonrpc": "2.0", "id": 2, "result": {}},
]
FAILED: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 2},
    {"jsonrpc": "2.0", "id": 2, "error": None},
    {"jsonrpc": "2.0", "id": 2, "result": [1]},
    {"jsonrpc": "2.0", "id": 2, "result": "done"},
    {"jsonrpc": "2.0", "id": 2, "error": "no"},
    {"jsonrpc": "2.0", "id": 2, "error": {}},
    {"jsonrpc": "2.0", "id": 2, "result": {}, "error": {"code": 1, "message": "no"}},
    {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no"}},
    {"error": {"message": "no"}},
]


class StdioSession:
    """A session over the pipes of a program that is not there."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.heard: Any = None
        clock: Any = None
        self.session = RemoteSession("far", clock, self._open, lambda session, told: None)
        self.session._number = 1

    def _open(self, receive: Any) -> StdioChannel:
        def spawn(said: Any, ended: Any, heard: Any) -> Any:
            self.heard = heard
            return self

        clock: Any = None
        return StdioChannel("far", clock, spawn, print, receive)

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return True


def over_http(message: object) -> list[Any]:
    handshake = FakeSession(whole(DISCOVERED), whole(message))
    handshake.initialize()
    return outcome(handshake.session.request("tools/call", {"name": "x"}))


def over_a_stream(message: object) -> list[Any]:
    response = Response(headers=SSE)
    handshake = FakeSession(whole(DISCOVERED), response)
    handshake.initialize()
    found = outcome(handshake.session.request("tools/call", {"name": "x"}))
    response.send(event(message))
    return found


def over_pipes(message: object) -> list[Any]:
    piped = StdioSession()
    found = outcome(piped.session.request("tools/call", {"name": "x"}))
    piped.heard(json.dumps(message).encode() + b"\n")
    return found


WAYS = [over_http, over_a_stream, over_pipes]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("message", GOOD, ids=json.dumps)
def test_client_accepts_inexact_result(way: Any, message: dict[str, Any]) -> None:
    assert way(message) == [{"x": 1}]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("message", EMPTY, ids=json.dumps)
def test_client_reads_null_result_as_empty(way: Any, message: dict[str, Any]) -> None:
    assert way(message) == [{}]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("message", FAILED, ids=json.dumps)
def test_client_fails_at_once_for_message_without_result(way: Any, message: dict[str, Any]) -> None:
    (error,) = way(message)
    assert isinstance(error, McpError)
    assert error.message


@pytest.mark.parametrize("message", [[GOOD[0]], [{"x": 1}, "x", GOOD[1]]], ids=json.dumps)
@pytest.mark.parametrize("way", WAYS)
def test_client_ignores_invalid_messages_of_batch(way: Any, message: object) -> None:
    assert way(message) == [{"x": 1}]


@pytest.mark.parametrize("id", ["other", 77, True, [2]])
def test_request_stream_with_response_to_other_id_fails_at_once(id: object) -> None:  # noqa: A002
    response = Response(headers=SSE)
    handshake = FakeSession(whole(DISCOVERED), response)
    handshake.initialize()
    found = outcome(handshake.session.request("tools/call", {"name": "x"}))
    response.send(event({"jsonrpc": "2.0", "id": id, "result": {}}))
    if isinstance(id, (bool, list)):
        response.end()
    assert isinstance(found[0], McpConnectionError)
    assert response.aborted or isinstance(id, (bool, list))


def test_response_to_earlier_request_is_ignored() -> None:
    response = Response(headers=SSE)
    handshake = FakeSession(whole(DISCOVERED), response)
    handshake.initialize()
    found = outcome(handshake.session.request("tools/call", {"name": "x"}))
    response.send(event({"jsonrpc": "2.0", "id": 1, "result": {}}))
    assert found == []
    response.send(event({"jsonrpc": "2.0", "id": 2, "result": {"x": 1}}))
    assert found == [{"x": 1}]


def test_stdio_response_without_id_is_ignored_with_two_calls_pending() -> None:
    piped = StdioSession()
    first = outcome(piped.session.request("tools/call", {"name": "x"}))
    second = outcome(piped.session.request("tools/call", {"name": "y"}))
    piped.heard(b'{"result": {"x": 1}}\n{"id": "3", "result": {"y": 1}}\n')
    assert (first, second) == ([], [{"y": 1}])


def test_parser_accepts_null_parameters() -> None:
    found = parse_responses(
        b'[{"method": "ping", "id": "p", "params": null}, {"method": "n", "id": null}]'
    )
    assert found == (Request("p", "ping", {}), Notification("n", {}))


# -- lists --


class PagedServer(ConnectedServer):
    """A server whose list has pages: each result is what ``page`` returns for a cursor."""

    def __init__(self, page: Any) -> None:
        super().__init__()
        self.cursors: list[str] = []

        def result(method: str) -> dict[str, Any]:
            if method == "server/discover":
                kinds = ("tools", "prompts", "resources")
                capabilities: dict[str, Any] = {kind: {} for kind in kinds}
                return {"supportedVersions": ["2026-07-28"], "capabilities": capabilities}
            body = json.loads(self.server.sent.body)
            self.cursors.append(body["params"].get("cursor", ""))
            key = method.split("/")[-2]
            key = "resourceTemplates" if key == "templates" else key
            found: dict[str, Any] = page(key, len(self.cursors))
            return found

        self.server.result = result  # type: ignore[method-assign]
        send = self.server.send

        def sent(request: Any) -> Any:
            self.server.sent = request  # type: ignore[attr-defined]
            return send(request)

        self.server.send = sent  # type: ignore[method-assign]


def entry(key: str, number: int) -> dict[str, Any]:
    name = f"n{number}"
    return {
        "name": name,
        "uri": f"file:///{name}",
        "uriTemplate": f"file:///{name}/{{x}}",
        "inputSchema": {"type": "object"},
    }


@pytest.mark.parametrize(
    "cursor",
    [lambda n: "same", lambda n: f"c{n % 3}", lambda n: f"c{n}"],
    ids=["one", "in a circle", "without end"],
)
def test_list_with_endless_cursors_ends_and_keeps_entries(cursor: Any) -> None:
    one = PagedServer(lambda key, n: {key: [entry(key, n)], "nextCursor": cursor(n)}).start()
    assert one.member.state == "ready"
    assert len(one.cursors) <= 800  # type: ignore[attr-defined]
    assert one.tools[:2] == ["n1", "n2"]
    assert one.member.catalog.prompts()
    assert one.member.catalog.resources()
    assert one.member.catalog.templates()


def test_list_ends_at_repeated_page() -> None:
    one = PagedServer(lambda key, n: {key: [entry(key, 0)], "nextCursor": f"c{n}"}).start()
    assert one.tools == ["n0"]
    assert len(one.cursors) == 8  # type: ignore[attr-defined]


@pytest.mark.parametrize("cursor", ["", None, 7])
def test_list_ends_at_invalid_cursor(cursor: object) -> None:
    one = PagedServer(lambda key, n: {key: [entry(key, n)], "nextCursor": cursor}).start()
    assert one.tools == ["n1"]
    assert len(one.cursors) == 4  # type: ignore[attr-defined]


def test_list_is_cut_at_limit() -> None:
    many = [entry("tools", n) for n in range(10_050)]
    one = PagedServer(lambda key, n: {key: many if key == "tools" else []}).start()
    assert one.member.state == "ready"
    assert len(one.tools) == 10_000


def test_list_of_large_pages_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_sync, "_MOST_BYTES", 10_000)

    def page(key: str, n: int) -> dict[str, Any]:
        return {key: [entry(key, n) | {"description": "x" * 3000}], "nextCursor": f"c{n}"}

    one = PagedServer(page).start()
    assert one.member.state == "ready"
    assert one.tools == ["n1", "n2", "n3", "n4"]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*"], ["", "a", "ab", "abab"]),
        (["a*"], ["a", "ab", "abab"]),
        (["*b", "a"], ["a", "ab", "abab"]),
        (["*a*b*"], ["ab", "abab"]),
        (["a*b*ab"], ["abab"]),
        (["a**b"], ["ab", "abab"]),
        ([], []),
    ],
)
def test_patterns_choose_names(patterns: list[str], names: list[str]) -> None:
    pattern = list_entries.pattern_of(patterns)
    assert [name for name in ("", "a", "ab", "abab") if pattern.fullmatch(name)] == names


def test_patterns_do_not_try_long_names_again_and_again() -> None:
    assert not list_entries.pattern_of(["*a*a*a*b"]).fullmatch("a" * 20_000)


def test_null_list_is_empty() -> None:
    one = PagedServer(lambda key, n: {key: None}).start()
    assert one.member.state == "ready"
    assert one.tools == []


def test_list_skips_invalid_entries() -> None:
    one = ConnectedServer()
    one.server.tools += [None, "x", [], {}, {"name": "b"}, {"name": "c", "inputSchema": {}}]
    one.server.tools += [{"name": "d", "inputSchema": {"properties": {"x": {}}}}]
    one.start()
    assert one.member.state == "ready"
    assert one.tools == ["a", "b", "c", "d"]
    schemas = [tool.input_schema for tool in one.member.catalog.tools()]
    assert all(schema["type"] == "object" for schema in schemas)


def test_tools_remain_when_prompts_list_fails() -> None:
    one = PagedServer(lambda key, n: {key: [entry(key, n)]})
    refused = Response(body=b'{"id": 3, "error": {"code": -32603, "message": "not today"}}')
    send = one.server.send
    one.server.send = lambda request: (  # type: ignore[method-assign]
        succeed(refused) if b'"prompts/list"' in request.body else send(request)
    )
    one.start()
    assert one.member.state == "ready"
    assert one.tools == ["n1"]
    assert not one.member.catalog.prompts()
    assert one.member.catalog.resources()


def test_parser_accepts_byte_order_mark() -> None:
    found = parse_responses(b'\xef\xbb\xbf{"id": 2, "result": {"x": 1}}')
    assert found == (Answer(2, {"x": 1}),)


# -- sessions that begin, and are lost --


class Sessions(ConnectedServer):
    """A server with sessions; it answers what ``status`` says to who listens, and to notes."""

    def __init__(self, listening: int = 405, noting: int = 202) -> None:
        super().__init__()
        self.begun = 0
        self.says_what_it_has = True
        send = self.server.send

        def sent(request: Any) -> Any:
            if request.method == "GET":
                return succeed(Response(listening))
            method = json.loads(request.body)["method"]
            if method == "server/discover":
                return succeed(Response(404))
            if method == "notifications/initialized":
                return succeed(Response(noting))
            return send(request)

        def result(method: str) -> dict[str, Any]:
            if method == "initialize":
                self.begun += 1
                has = {"capabilities": {"tools": {}}} if self.says_what_it_has else {}
                return {"protocolVersion": "2025-06-18", **has}
            return {"tools": self.server.tools} if method == "tools/list" else {}

        self.server.send = sent  # type: ignore[method-assign]
        self.server.result = result  # type: ignore[method-assign]


def with_session(one: Sessions) -> Sessions:
    """Have the server give out a session's id with its answers."""
    send = one.server.send

    def sent(request: Any) -> Any:
        def add(response: Any) -> Any:
            response._headers["mcp-session-id"] = "s-1"
            return response

        return send(request).addCallback(add)

    one.server.send = sent  # type: ignore[method-assign]
    return one


def test_listen_404_in_new_session_opens_no_other_session() -> None:
    one = with_session(Sessions(listening=404))
    one.start()
    one.clock.pump([1.0] * 100)
    assert one.member.state == "ready"
    assert one.begun == 1


@pytest.mark.parametrize("status", [404, 405, 500, 501])
def test_server_that_rejects_notifications_is_ready(status: int) -> None:
    one = Sessions(noting=status)
    one.start()
    assert one.member.state == "ready"
    assert one.tools == ["a"]


def test_tools_are_listed_when_server_declares_no_capabilities() -> None:
    one = Sessions()
    one.says_what_it_has = False
    one.start()
    assert one.tools == ["a"]


NO_SESSION = "Bad Request: No valid session ID provided"


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": NO_SESSION}},
        {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Bad"}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "Session not found"}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "Server not initialized"}},
        "no",
    ],
    ids=json.dumps,
)
def test_400_without_session_id_means_session_lost(body: object) -> None:
    line = FakeConnection(whole(body, 400), whole(body, 400))
    line.link.session = "s-1"
    (error,) = line.post()
    assert isinstance(error, SessionLostError)
    assert line.link.session == ""
    (error,) = line.post()
    assert not isinstance(error, SessionLostError), "there is no session to lose"


def test_400_with_json_rpc_error_is_a_response() -> None:
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such tool"}}
    line = FakeConnection(whole(refusal, 400), Response(400))
    line.link.session = "s-1"
    assert line.post() == [None]
    (error,) = line.post(None)
    assert not isinstance(error, SessionLostError), "it was only a notification"
    assert line.link.session == "s-1"


def test_listen_reports_lost_session() -> None:
    line = FakeConnection(Response(400, body=NO_SESSION.encode()), Response(400, body=b"no"))
    line.link.session = "s-1"
    (error,) = outcome(line.link.listen())
    assert isinstance(error, SessionLostError)
    line.link.session = "s-2"
    assert outcome(line.link.listen()) == [False]


def test_call_is_retried_in_new_session() -> None:
    lost = FakeSession(whole({"id": None, "error": {"message": NO_SESSION}}, 400))
    lost.session.channel._link.session = "s-1"  # type: ignore[attr-defined]
    fresh = FakeSession(whole({"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}))

    class Connection:
        sessions = [lost.session, fresh.session]
        reasons: list[str] = []

        async def session(self) -> RemoteSession:
            return self.sessions[0]

        def session_lost(self, session: RemoteSession, reason: str) -> None:
            self.reasons.append(reason)
            self.sessions.pop(0)

    connection = Connection()
    sender = RequestSender("far", lost.clock, connection, 0.0)
    waiting: Deferred[Any] = sender.send("tools/call", {"name": "x"})
    assert outcome(waiting) == [{"x": 1}]
    assert "400" in connection.reasons[0]


def test_relay_returns_404_for_lost_session() -> None:
    relay = Relay()
    mine = relay.open()
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": NO_SESSION}}
    relay.remote.answers.append(Response(400, body=json.dumps(error).encode()))
    reply = answer(relay.send(mcp_session_id=mine))
    assert reply.status == 404
    assert relay.error(reply)["error"]["code"] == -32001
    assert relay.ask(mcp_session_id=mine).status == 404
    other = relay.open()
    refusal = {"jsonrpc": "2.0", "id": CALL["id"], "error": {"code": -32602, "message": "no"}}
    relay.remote.answers.append(Response(400, body=json.dumps(refusal).encode()))
    assert relay.ask(mcp_session_id=other).status == 400


# -- servers that repeat what they were sent --


def test_errors_of_servers_are_redacted() -> None:
    key = "sk-of-this-server"
    CREDENTIALS.hold(over_http, [key])
    try:
        failed = {"code": 7, "message": f"no {key}", "data": {"headers": [f"Bearer {key}"]}}
        (error,) = over_http({"jsonrpc": "2.0", "id": 2, "error": failed})
        result = {"content": [{"type": "text", "text": f"no {key}"}]}
        told = tool_result({**result, "isError": True}, "far")
        content = tool_result({**result, "isError": False}, "far")
        said = str(ToolError(f"far: no {key}"))
    finally:
        CREDENTIALS.release(over_http)
    assert (error.message, error.data) == ("no [redacted]", {"headers": ["Bearer [redacted]"]})
    assert told.content[0]["text"] == "no [redacted]"  # type: ignore[index]
    assert content.content[0]["text"] == f"no {key}", "content is not changed"  # type: ignore[index]
    assert said == "far: no [redacted]"


def test_relay_redacts_errors_and_leaves_content_unchanged() -> None:
    key = "sk-of-the-relay"
    CREDENTIALS.hold(over_http, [key])
    try:
        relay = Relay()
        error = json.dumps({"jsonrpc": "2.0", "id": 7, "error": {"message": f"no {key}"}}).encode()
        relay.remote.answers.append(Response(body=error))
        assert relay.ask().body == error.replace(key.encode(), b"[redacted]")
        said = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": [key]}}).encode()
        relay.remote.answers.append(Response(body=said))
        assert relay.ask().body == said
        response = Response(headers=SSE)
        relay.remote.answers.append(response)
        reader = Reader(relay.ask())
        stream = b"id: 1\ndata: " + said + b"\n\n" + b"data: " + error + b"\n\n"
        for place in range(0, len(stream), 7):
            response.send(stream[place : place + 7])
        response.end()
        expected = b"id: 1\ndata: " + said + b"\n\n"
        expected += b"data: " + error.replace(key.encode(), b"[redacted]") + b"\n\n"
        assert reader.raw == expected
    finally:
        CREDENTIALS.release(over_http)
