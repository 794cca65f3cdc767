"""A server that the gateway is connected to: when it is tried, how long, and what calls hear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from antigravity.interfaces.mcp_values import ToolError
from antigravity.interfaces.status import LoginStatus, McpServerStatus
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.mcp.client.list_sync import ListSync
from antigravity.mcp.client.relayed_objects import tool_result
from antigravity.mcp.registry import McpRegistry
from tests.mcp.fake_transport import Response
from tests.mcp.remote_servers import ConnectedServer, FakeServer


def test_server_is_connected_at_start() -> None:
    one = ConnectedServer().start()
    assert one.member.state == "ready"
    assert one.tools == ["a"]
    assert one.member.status() == McpServerStatus(
        name="far",
        state="ready",
        reason="",
        revision="2026-07-28",
        tools=1,
        login=LoginStatus(state="none"),
    )


def test_server_reconnects_with_growing_delays() -> None:
    one = ConnectedServer()
    one.server.away = "connection refused by far:443"
    one.start()
    tried = []
    for second in range(200):
        if one.server.greetings > len(tried):
            tried.append(second)
        one.clock.advance(1)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert "refused" in one.member.reason
    one.server.away = ""
    one.clock.advance(60)
    assert one.member.state == "ready"
    assert one.member.reason == ""


def test_calls_wait_while_server_starts_and_fail_while_it_is_unreachable() -> None:
    one = ConnectedServer(start=30.0)
    one.server.hold = True
    one.start()
    waiting = one.call()
    assert waiting == []
    one.clock.advance(30)
    assert one.member.state == "waiting"
    assert "not ready within 30 seconds" in waiting[0].message
    assert "not connected" in one.call()[0].message
    one.server.hold = False
    one.clock.advance(1)
    assert one.call() == ["sent"]


def test_tools_remain_listed_while_server_is_unreachable() -> None:
    one = ConnectedServer().start()
    told: list[Any] = []
    one.member.catalog.watch(told.append)
    one.member._lose("gone", one.member._loss)
    one.server.away = "refused"
    assert one.tools == ["a"]
    one.clock.advance(1)
    one.server.away = ""
    one.clock.advance(2)
    assert one.member.state == "ready"
    assert told == []  # nothing is new
    one.server.tools = []
    one.member._lose("gone", one.member._loss)
    one.clock.advance(60)
    assert one.tools == []
    assert [change.kind for change in told] == ["tools"]


def test_stop_leaves_no_timers() -> None:
    for away in ("", "refused"):
        one = ConnectedServer()
        one.server.away = away
        one.start()
        stopped: list[Any] = []
        one.member.stop().addCallback(stopped.append)
        one.member.stop().addCallback(stopped.append)
        assert stopped == [None, None]
        assert one.member.state == "stopped"
        assert one.clock.getDelayedCalls() == []
        assert "disabled" in one.call()[0].message


def test_stop_cancels_start() -> None:
    one = ConnectedServer()
    one.server.hold = True
    one.start()
    waiting = one.call()
    stopped: list[Any] = []
    one.member.stop().addCallback(stopped.append)
    assert stopped == [None]
    assert one.server.cancelled == 1
    assert "disabled" in waiting[0].message
    assert one.clock.getDelayedCalls() == []


def test_tools_with_invalid_names_or_schemas_are_skipped() -> None:
    one = ConnectedServer()
    one.server.tools += [
        {"name": "bad name", "inputSchema": {"type": "object"}},
        {"name": "x" * 126, "inputSchema": {"type": "object"}},
        {"name": "list", "inputSchema": {"type": "array"}},
        {
            "name": "header",
            "inputSchema": {
                "type": "object",
                "properties": {"a": {"type": "string", "x-mcp-header": "a b"}},
            },
        },
        {"inputSchema": {"type": "object"}},
        {"name": "b", "inputSchema": {"type": "object"}, "annotations": 7, "title": None},
    ]
    one.start()
    assert one.tools == ["a", "b"]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [(("*",), ["a", "a.b"]), (("a",), ["a"]), (("*.b",), ["a.b"]), ((), []), (("A",), [])],
)
def test_patterns_choose_tools(patterns: tuple[str, ...], found: list[str]) -> None:
    one = ConnectedServer(patterns)
    one.server.tools.append({"name": "a.b", "inputSchema": {"type": "object"}})
    one.start()
    assert one.tools == found


def test_server_with_invalid_tool_list_is_not_ready() -> None:
    one = ConnectedServer()
    one.server.tools = "a"  # type: ignore[assignment]
    one.start()
    assert one.member.state == "waiting"
    assert "not a list" in one.member.reason


def test_reason_is_cleaned_and_cut() -> None:
    class Rude(FakeServer):
        def send(self, request: OutgoingRequest) -> Deferred[Any]:
            error = {"code": -32000, "message": "\x1b[31mno" + "!" * 100_000}
            body = {"jsonrpc": "2.0", "id": json.loads(request.body)["id"], "error": error}
            return succeed(Response(body=json.dumps(body).encode()))

    one = ConnectedServer()
    one.server = Rude()
    one.start()
    assert one.member.state == "waiting"
    assert one.member.reason.startswith("[31mno!!!")
    assert len(one.member.reason) < 2100


def test_unexpected_exception_leads_to_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Any, peer: Any) -> None:
        raise TypeError("unforeseen")

    one = ConnectedServer()
    with monkeypatch.context() as patch:
        patch.setattr(ListSync, "refresh", broken)
        one.start()
    assert one.member.state == "waiting"
    one.clock.advance(1)
    assert one.member.state == "ready"


def lists_read(member: ConnectedServer) -> int:
    bodies = [json.loads(request.body) for request in member.server.requests]
    return sum(body["method"] == "tools/list" for body in bodies)


def test_expired_list_is_read_when_a_client_lists() -> None:
    member = ConnectedServer().start()
    registry = McpRegistry([member.member.catalog])
    member.server.tools.append({"name": "b", "inputSchema": {"type": "object"}})
    registry.client_lists(shows_pages=False)
    assert lists_read(member) == 1  # it is fresh
    member.clock.advance(31)
    registry.client_lists(shows_pages=False)
    registry.client_lists(shows_pages=False)
    assert (lists_read(member), member.tools) == (2, ["a", "b"])


def test_server_that_reports_changes_is_not_asked_again() -> None:
    member = ConnectedServer()
    member.server.reports_changes = True
    member.start()
    member.clock.advance(31)
    before = lists_read(member)
    McpRegistry([member.member.catalog]).client_lists(shows_pages=False)
    assert lists_read(member) == before


def test_result_of_unknown_type_is_an_error() -> None:
    with pytest.raises(ToolError, match="unknown type"):
        tool_result({"resultType": "task", "taskId": "x"}, "far")
