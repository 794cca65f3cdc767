"""Sessions: opened, used, resumed, bounded, and nobody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from antigravity.interfaces.mcp_values import McpError, ToolError
from antigravity.mcp.endpoint import Limits
from antigravity.mcp.function_objects import Resource, Template, Tool
from antigravity.mcp.running_calls import CallLimits
from tests.mcp.fixtures import Client, Reader, answer, error, notification, request, result

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


class SlowTool:
    """A tool that waits until it is told what to answer."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []
        self.contexts: list[Any] = []
        self.cancelled = 0
        self.tool = Tool("slow", "Waits.", self._call)

    def _call(self, arguments: Any, context: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        waiting.addErrback(self._note)
        self.waiting.append(waiting)
        self.contexts.append(context)
        return waiting

    def _note(self, failure: Any) -> Any:
        failure.trap(CancelledError)
        self.cancelled += 1
        return failure


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def slow(client: Client) -> SlowTool:
    found = SlowTool()
    client.catalog.add_tool(found.tool)
    return found


@pytest.mark.parametrize("revision", LEGACY)
def test_initialize_accepts_known_revision(client: Client, revision: str) -> None:
    assert client.initialize(revision)["protocolVersion"] == revision


@pytest.mark.parametrize("revision", ["1999-01-01", "2026-07-28", "x"])
def test_initialize_offers_newest_revision_for_unknown_one(client: Client, revision: str) -> None:
    assert client.initialize(revision)["protocolVersion"] == "2025-11-25"


def test_unknown_session_returns_404(client: Client) -> None:
    client.initialize()
    for method, body in (("POST", request("ping")), ("GET", b""), ("DELETE", b"")):
        reply = answer(client.http(method, body, {"mcp-session-id": "other"}))
        assert reply.status == 404
        assert error(reply)["code"] == -32001


def test_session_is_bound_to_principal(client: Client) -> None:
    client.initialize()
    client.principal = "mallory"
    assert client.post(request("ping")).status == 404
    assert answer(client.http("DELETE")).status == 404
    client.principal = "alice"
    assert client.ask("ping")["result"] == {}


def test_requests_without_session_are_rejected(client: Client) -> None:
    assert client.post(request("tools/list")).status == 400
    assert answer(client.http("GET")).status == 405
    assert answer(client.http("DELETE")).status == 400


def test_delete_ends_session_streams_and_calls(client: Client, slow: SlowTool) -> None:
    client.initialize()
    listening = client.listen()
    waiting = client.start("slow")
    assert answer(client.http("DELETE")).status == 204
    assert listening.is_over
    assert slow.cancelled == 1
    assert "ended" in error(answer(waiting))["message"]
    assert client.post(request("ping")).status == 404
    assert not client.running


def test_idle_session_expires(client: Client, slow: SlowTool) -> None:
    client.endpoint.configure(Limits(session_ttl=100.0))
    client.initialize()
    client.clock.pump([10.0] * 9)
    assert client.ask("ping")["result"] == {}
    client.start("slow")
    client.clock.pump([10.0] * 30)
    assert client.ask("ping", id=2)["result"] == {}  # it was busy all the time
    slow.waiting[0].callback("done")
    client.clock.pump([10.0] * 12)
    assert client.post(request("ping")).status == 404


def test_new_session_evicts_longest_idle(client: Client, slow: SlowTool) -> None:
    client.endpoint.configure(Limits(max_sessions=2))
    sessions = []
    for _ in range(3):
        client.headers.clear()
        client.initialize()
        sessions.append(dict(client.headers))
    found = [client.post(request("ping"), one).status for one in sessions]
    assert found == [404, 200, 200]
    for one in sessions[1:]:
        client.headers = one
        client.start("slow")
    client.headers = {}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}}
    assert client.post(request("initialize", params)).status == 503


def test_sessions_are_independent(client: Client, slow: SlowTool) -> None:
    client.initialize()
    first = dict(client.headers)
    client.headers = {}
    client.initialize()
    second = dict(client.headers)
    client.headers = first
    one = client.start("slow", id=7)
    client.headers = second
    other = client.start("slow", id=7)
    client.post(notification("notifications/cancelled", {"requestId": 7}))
    assert slow.cancelled == 1
    assert answer(other).status == 202
    slow.waiting[0].callback("mine")
    assert result(answer(one))["content"][0]["text"] == "mine"


def test_quick_response_is_json_and_slow_one_a_stream(client: Client, slow: SlowTool) -> None:
    client.initialize()
    quick = client.start("slow")
    slow.waiting[0].callback("quick")
    assert answer(quick).content_type == "application/json"
    late = client.start("slow")
    client.clock.advance(2.5)
    reader = Reader(answer(late))
    slow.waiting[1].callback("late")
    assert reader.messages[-1]["result"]["content"][0]["text"] == "late"
    assert reader.is_over


def test_silent_stream_gets_keep_alives(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow")
    client.clock.advance(2.5)
    reader = Reader(answer(waiting))
    client.clock.advance(16)
    assert reader.raw.endswith(b": keep-alive\n\n")
    slow.waiting[0].callback("done")
    assert not [call for call in client.clock.getDelayedCalls() if call.getTime() < 300]


def test_progress_is_sent_for_progress_token_only(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow", progressToken="p")
    slow.contexts[0].progress(1, 2, "half")
    reader = Reader(answer(waiting))
    slow.waiting[0].callback("done")
    slow.contexts[0].progress(2, 2)  # too late
    told = {"progressToken": "p", "progress": 1, "total": 2, "message": "half"}
    assert [m.get("params") for m in reader.messages] == [told, None]
    unasked = client.start("slow")
    slow.contexts[1].progress(1, 2)
    slow.waiting[1].callback("done")
    assert answer(unasked).content_type == "application/json"


def test_logs_are_filtered_by_level(client: Client, slow: SlowTool) -> None:
    client.initialize()
    assert client.ask("logging/setLevel", {"level": "warning"})["result"] == {}
    assert client.ask("logging/setLevel", {"level": "loud"})["error"]["code"] == -32602
    waiting = client.start("slow")
    for level in ("info", "warning", "emergency"):
        slow.contexts[0].log(level, level)
    reader = Reader(answer(waiting))
    assert [m["params"]["data"] for m in reader.messages] == ["warning", "emergency"]
    slow.waiting[0].callback("done")


def test_resumed_stream_delivers_missed_events_once(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow", progressToken=1)
    context = slow.contexts[0]
    context.progress(1)
    reader = Reader(answer(waiting))
    context.progress(2)
    reader.leave()
    assert slow.cancelled == 0  # leaving is no cancelling here
    context.progress(3)
    again = client.listen(last=reader.ids[1])  # it has had the first one only
    context.progress(4)
    slow.waiting[0].callback("done")
    assert [m["params"]["progress"] for m in again.messages[:-1]] == [2, 3, 4]
    assert again.messages[-1]["result"]["content"][0]["text"] == "done"
    assert again.is_over
    assert reader.messages[-1]["params"]["progress"] == 2
    # It may have been lost once more: what has ended is kept for a while.
    assert client.listen(last=again.ids[-2]).messages == again.messages[-1:]


def test_stream_starts_with_event_id_in_newer_revision(client: Client, slow: SlowTool) -> None:
    for number, (revision, primed) in enumerate((("2025-11-25", True), ("2025-06-18", False))):
        client.headers.clear()
        client.initialize(revision)
        waiting = client.start("slow")
        client.clock.advance(2.5)
        reader = Reader(answer(waiting))
        assert (reader.raw == b"id: 1-0\ndata: \n\n") is primed
        slow.waiting[number].callback("done")


def test_stream_of_other_session_is_not_resumed(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow")
    client.clock.advance(2.5)
    reader = Reader(answer(waiting))
    client.headers.clear()
    client.initialize()
    for last in (reader.ids[0], "9-9", "x", "-1", "1-" + "9" * 40):
        assert answer(client.http("GET", headers={"last-event-id": last})).status == 400


def test_paused_client_bounds_buffer_and_does_not_block_the_tool(
    client: Client, slow: SlowTool
) -> None:
    client.initialize()
    waiting = client.start("slow", progressToken=1)
    context = slow.contexts[0]
    context.progress(0)
    reader = Reader(answer(waiting))
    reader.producer.pauseProducing()
    before = len(reader.raw)
    for number in range(20_000):
        context.progress(number, message="x" * 100)
    slow.waiting[0].callback("done")
    assert len(reader.raw) == before
    reader.producer.resumeProducing()
    assert len(reader.raw) < 2**20  # the oldest progress went
    assert reader.messages[-1]["result"]["content"][0]["text"] == "done"
    assert reader.is_over


def test_cancelled_call_gets_no_response(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow", id="a")
    context = slow.contexts[0]
    for wrong in ("b", None, {}, 1):
        client.post(notification("notifications/cancelled", {"requestId": wrong}))
    assert slow.cancelled == 0
    client.post(notification("notifications/cancelled", {"requestId": "a"}))
    assert slow.cancelled == 1
    assert context.is_cancelled
    assert answer(waiting).body == b""
    assert client.ask("ping", id="a")["result"] == {}  # the id is free again


def test_id_of_running_request_is_rejected(client: Client, slow: SlowTool) -> None:
    client.initialize()
    client.start("slow", id=5)
    assert error(answer(client.start("slow", id=5)))["code"] == -32600
    assert len(slow.waiting) == 1


def test_disconnect_before_response_does_not_cancel_call(client: Client, slow: SlowTool) -> None:
    client.initialize()
    waiting = client.start("slow")
    waiting.addErrback(lambda failure: failure.trap(CancelledError) and None)
    waiting.cancel()
    assert slow.cancelled == 0
    slow.waiting[0].callback("to nobody")
    assert not client.running
    assert client.ask("ping")["result"] == {}


def test_server_request_is_sent_on_stream_of_its_call(client: Client) -> None:
    async def greet(arguments: Any, context: Any) -> str:
        answered = await context.elicit("Who?", {"type": "object"})
        return f"Hello, {answered['content']['name']}."

    client.catalog.add_tool(Tool("greet", "Greets.", greet))
    client.initialize(capabilities={"elicitation": {}})
    reader = Reader(answer(client.start("greet")))
    asked = reader.messages[0]
    assert asked["method"] == "elicitation/create"
    assert asked["params"]["message"] == "Who?"
    said = {"action": "accept", "content": {"name": "Ada"}}
    response = {"jsonrpc": "2.0", "id": asked["id"], "result": said}
    assert client.post(response).status == 202
    assert client.post(response).status == 202  # once more changes nothing
    assert reader.messages[1]["result"]["content"][0]["text"] == "Hello, Ada."
    assert reader.is_over


def test_client_response_with_null_error_is_accepted(client: Client) -> None:
    async def greet(arguments: Any, context: Any) -> str:
        answered = await context.elicit("Who?", {"type": "object"})
        return f"Hello, {answered['content']['name']}."

    client.catalog.add_tool(Tool("greet", "Greets.", greet))
    client.initialize(capabilities={"elicitation": {}})
    reader = Reader(answer(client.start("greet")))
    said = {"action": "accept", "content": {"name": "Ada"}}
    response = {"jsonrpc": "2.0", "id": reader.messages[0]["id"], "result": said, "error": None}
    assert client.post(response).status == 202
    assert reader.messages[1]["result"]["content"][0]["text"] == "Hello, Ada."


def test_rejected_server_request_raises_in_tool(client: Client) -> None:
    async def ask(arguments: Any, context: Any) -> str:
        try:
            await context.sample({"messages": [], "maxTokens": 1})
        except McpError as refused:
            return f"refused: {refused.code}"
        return "answered"

    client.catalog.add_tool(Tool("ask", "Asks.", ask))
    client.initialize(capabilities={"sampling": {}})
    reader = Reader(answer(client.start("ask")))
    refusal = {"code": -1, "message": "no"}
    client.post({"jsonrpc": "2.0", "id": reader.messages[0]["id"], "error": refusal})
    assert reader.messages[1]["result"]["content"][0]["text"] == "refused: -1"
    client.headers.clear()
    client.initialize()
    text = result(answer(client.start("ask")))["content"][0]["text"]
    assert text == "refused: -32600"  # it cannot be reached at all


def test_ended_call_cancels_its_server_request(client: Client) -> None:
    async def ask(arguments: Any, context: Any) -> str:
        return str(await context.list_roots())

    client.catalog.add_tool(Tool("ask", "Asks.", ask))
    client.initialize(capabilities={"roots": {}})
    reader = Reader(answer(client.start("ask", id=3)))
    client.post(notification("notifications/cancelled", {"requestId": 3}))
    assert [m["method"] for m in reader.messages] == ["roots/list", "notifications/cancelled"]
    assert reader.messages[1]["params"]["requestId"] == reader.messages[0]["id"]
    assert reader.is_over


def test_changes_are_sent_to_listener(client: Client, slow: SlowTool) -> None:
    uri = "test://watched"
    client.catalog.add_resource(Resource(uri, "Watched", lambda uri, context: "text"))
    client.clock.advance(1)
    client.initialize()
    listening = client.listen()
    client.catalog.remove_tool("slow")
    client.catalog.resource_updated(uri)  # nobody has subscribed to it
    client.clock.advance(1)
    assert [m["method"] for m in listening.messages] == ["notifications/tools/list_changed"]
    assert client.ask("resources/subscribe", {"uri": "test://none"})["error"]["code"] == -32002
    assert client.ask("resources/subscribe", {"uri": uri})["result"] == {}
    client.catalog.resource_updated(uri)
    client.clock.advance(1)
    assert listening.messages[-1]["params"] == {"uri": uri}
    client.ask("resources/unsubscribe", {"uri": uri})
    before = len(listening.messages)
    client.catalog.resource_updated(uri)
    client.clock.advance(1)
    assert len(listening.messages) == before


def test_changes_without_listener_are_sent_once_later(client: Client, slow: SlowTool) -> None:
    client.initialize()
    client.clock.advance(1)
    client.listen().leave()
    for number in range(5):
        client.catalog.set_tools([Tool(f"t{number}", "", lambda a, c: "")])
        client.clock.advance(1)
    told = [m["method"] for m in client.listen().messages]
    assert told.count("notifications/tools/list_changed") == 1


def test_second_listener_replaces_first(client: Client) -> None:
    client.initialize()
    first, second = client.listen(), client.listen()
    assert first.is_over
    client.catalog.set_tools([])
    client.clock.advance(1)
    assert first.messages == []
    assert len(second.messages) == 1


def test_batches_are_accepted_in_older_revision_only(client: Client) -> None:
    batch = [request("ping", id=1), request("tools/list", id=2), notification("x")]
    client.initialize("2025-03-26")
    found = json.loads(client.post(batch).body)
    assert {one["id"] for one in found} == {1, 2}
    assert client.post([notification("x")]).status == 202
    client.headers.clear()
    client.initialize("2025-06-18")
    refused = client.post(batch)
    assert (refused.status, error(refused)["code"]) == (400, -32600)


def test_unknown_version_header_is_rejected(client: Client) -> None:
    client.initialize()
    for version, status in (("2025-03-26", 200), ("", 200), ("1.0", 400)):
        headers = {"mcp-protocol-version": version}
        assert client.post(request("ping"), headers).status == status


def test_tool_failures_reveal_no_internals(client: Client) -> None:
    def broken(arguments: Any, context: Any) -> str:
        raise ToolError("Ask for something else.")

    def unjson(arguments: Any, context: Any) -> Any:
        return {"type": "text", "text": object()}

    client.catalog.add_tool(Tool("broken", "", broken))
    client.catalog.add_tool(Tool("unjson", "", unjson))
    client.initialize()
    told = result(answer(client.start("broken")))
    assert told == {
        "content": [{"type": "text", "text": "Ask for something else."}],
        "isError": True,
    }
    assert error(answer(client.start("none")))["code"] == -32602
    assert client.ask("no/such")["error"]["code"] == -32601


def test_calls_are_limited_in_number_and_time(client: Client, slow: SlowTool) -> None:
    client.endpoint.configure(Limits(CallLimits(most=2, timeout=30.0)))
    client.initialize()
    first = client.start("slow", id=1)
    client.start("slow", id=2)
    assert error(answer(client.start("slow", id=3)))["code"] == -32603
    client.clock.advance(2.5)
    reader = Reader(answer(first))
    client.clock.advance(30)
    assert reader.messages[-1]["result"]["isError"] is True
    assert slow.cancelled == 2
    assert not client.running


def test_client_without_event_stream_accept_gets_json(client: Client, slow: SlowTool) -> None:
    client.initialize(capabilities={"roots": {}})
    client.headers["accept"] = "application/json"
    waiting = client.start("slow", progressToken=1)
    slow.contexts[0].progress(1)
    client.clock.advance(60)
    slow.waiting[0].callback("late")
    assert result(answer(waiting))["content"][0]["text"] == "late"
    assert answer(client.http("GET")).status == 406


def test_stop_ends_sessions_streams_and_calls(client: Client, slow: SlowTool) -> None:
    client.initialize()
    listening = client.listen()
    waiting = client.start("slow")
    client.endpoint.stop()
    assert listening.is_over
    assert "stopping" in error(answer(waiting))["message"]
    assert client.clock.getDelayedCalls() == []
    assert not client.running


def test_subscriptions_are_limited() -> None:
    client = Client()
    client.catalog.add_template(Template("x://{+any}", "Any", lambda *_: "text"))
    client.initialize()
    for n in range(40):
        reply = client.ask("resources/subscribe", {"uri": f"x://{n}/{'x' * 4000}"})
        if "error" in reply:
            break
    assert 10 < n < 39
    assert reply["error"]["message"] == "Too many subscriptions."
