"""A server that the gateway is connected to: when it is tried, how long, and what calls hear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.mcp.client.list_sync import ListSync
from tests.mcp.fake_transport import Response
from tests.mcp.remote_servers import ConnectedServer, FakeServer


def test_it_is_connected_at_once() -> None:
    one = ConnectedServer().start()
    assert one.member.state == "ready"
    assert one.tools == ["a"]
    assert one.member.status() == {
        "name": "far",
        "state": "ready",
        "reason": "",
        "revision": "2026-07-28",
        "tools": 1,
    }


def test_it_is_tried_again_with_growing_pauses() -> None:
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


def test_calls_wait_while_it_starts_and_not_while_it_is_away() -> None:
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


def test_its_tools_stay_while_it_is_away() -> None:
    one = ConnectedServer().start()
    told: list[Any] = []
    one.member.catalog.watch(told.append)
    one.member._lose("gone", one.member._gone)
    one.server.away = "refused"
    assert one.tools == ["a"]
    one.clock.advance(1)
    one.server.away = ""
    one.clock.advance(2)
    assert one.member.state == "ready"
    assert told == []  # nothing is new
    one.server.tools = []
    one.member._lose("gone", one.member._gone)
    one.clock.advance(60)
    assert one.tools == []
    assert [change.kind for change in told] == ["tools"]


def test_stopping_leaves_nothing_behind() -> None:
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


def test_one_that_starts_is_stopped_too() -> None:
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


def test_tools_that_nobody_could_call_are_left_out() -> None:
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


def test_a_list_that_is_none_is_no_server() -> None:
    one = ConnectedServer()
    one.server.tools = "a"  # type: ignore[assignment]
    one.start()
    assert one.member.state == "waiting"
    assert "not a list" in one.member.reason


def test_what_a_server_says_of_itself_is_fit_for_a_terminal() -> None:
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


def test_a_mistake_of_ours_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Any, peer: Any) -> None:
        raise TypeError("unforeseen")

    one = ConnectedServer()
    with monkeypatch.context() as patch:
        patch.setattr(ListSync, "refresh", broken)
        one.start()
    assert one.member.state == "waiting"
    one.clock.advance(1)
    assert one.member.state == "ready"
