"""Calls that continue as tasks, for clients of revision 2025-11-25."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from antigravity.interfaces.mcp_values import McpError, TaskSupport, ToolError
from antigravity.mcp.function_objects import Tool
from tests.mcp.fixtures import Client, Reader, answer, notification, request
from tests.mcp.task_fixtures import FORM, Job

RELATED = "io.modelcontextprotocol/related-task"


class SessionClient(Client):
    """A client with a session, of an endpoint with the tools ``job`` and ``plain``."""

    def __init__(self, support: TaskSupport | None = None, revision: str = "2025-11-25") -> None:
        super().__init__()
        self.job = Job()
        self.catalog.add_tool(
            Tool("job", "Works.", self.job, task_support=support or TaskSupport())
        )
        self.catalog.add_tool(Tool("plain", "Works.", lambda a, c: "Done."))
        self.initialized = self.initialize(revision, {"elicitation": {}})

    def create(self, **params: Any) -> dict[str, Any]:
        """Call the tool as a task, and return the task."""
        reply = self.ask("tools/call", {"name": "job", "arguments": {}, "task": {}} | params)
        found: dict[str, Any] = reply["result"]["task"]
        return found

    def get(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the state of a task."""
        found: dict[str, Any] = self.ask("tasks/get", {"taskId": id})["result"]
        return found


@pytest.fixture
def client() -> SessionClient:
    return SessionClient()


def test_capability_and_tools_are_announced(client: SessionClient) -> None:
    tasks = client.initialized["capabilities"]["tasks"]
    assert tasks == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    job, plain = client.ask("tools/list")["result"]["tools"]
    assert job["execution"] == {"taskSupport": "optional"}
    assert "execution" not in plain


def test_older_revisions_have_no_tasks() -> None:
    client = SessionClient(TaskSupport(required=True), "2025-06-18")
    assert "tasks" not in client.initialized["capabilities"]
    (only,) = client.ask("tools/list")["result"]["tools"]
    assert only["name"] == "plain"
    assert client.ask("tasks/list")["error"]["code"] == -32601
    params = {"name": "plain", "arguments": {}, "task": {}}
    assert client.ask("tools/call", params)["result"]["isError"] is False


def test_call_becomes_task_with_result_later(client: SessionClient) -> None:
    task = client.create(task={"ttl": 60_000})
    assert (task["status"], task["ttl"], task["pollInterval"]) == ("working", 60_000, 1000)
    waiting = client.http("POST", request("tasks/result", {"taskId": task["taskId"]}, 5))
    client.job.running[0].callback("Done.")
    found = json.loads(answer(waiting).body)
    assert found["result"]["content"][0]["text"] == "Done."
    assert found["result"]["_meta"] == {RELATED: {"taskId": task["taskId"]}}
    assert client.get(task["taskId"])["status"] == "completed"
    assert client.ask("tasks/result", {"taskId": task["taskId"]})["result"] == found["result"]


def test_longest_ttl_is_the_gateways(client: SessionClient) -> None:
    assert client.create(task={"ttl": 10**15})["ttl"] == 3_600_000
    assert client.create(task={"ttl": 10**10})["ttl"] == 3_600_000


def test_failures_fail_the_task(client: SessionClient) -> None:
    tool, protocol = client.create()["taskId"], client.create(id=2)["taskId"]
    client.job.running[0].errback(ToolError("No luck."))
    client.job.running[1].errback(McpError(-32001, "Broken."))
    assert [client.get(id)["status"] for id in (tool, protocol)] == ["failed", "failed"]  # noqa: A001
    assert client.ask("tasks/result", {"taskId": tool})["result"]["isError"] is True
    assert client.ask("tasks/result", {"taskId": protocol})["error"]["code"] == -32001


@pytest.mark.parametrize("wish", [5, {"ttl": "long"}])
def test_invalid_wish_is_refused(client: SessionClient, wish: object) -> None:
    params = {"name": "job", "arguments": {}, "task": wish}
    assert client.ask("tools/call", params)["error"]["code"] == -32602
    assert client.job.running == []


def test_tool_without_support_is_not_run_as_task(client: SessionClient) -> None:
    params = {"name": "plain", "arguments": {}, "task": {}}
    assert client.ask("tools/call", params)["error"]["code"] == -32601


def test_required_tool_runs_only_as_task() -> None:
    client = SessionClient(TaskSupport(required=True))
    job, _ = client.ask("tools/list")["result"]["tools"]
    assert job["execution"] == {"taskSupport": "required"}
    assert client.ask("tools/call", {"name": "job", "arguments": {}})["error"]["code"] == -32601
    assert client.create()["status"] == "working"


def test_cancelled_task_has_no_result(client: SessionClient) -> None:
    task = client.create()["taskId"]
    found = client.ask("tasks/cancel", {"taskId": task})["result"]
    assert (found["taskId"], found["status"]) == (task, "cancelled")
    assert client.job.cancelled == 1
    assert client.ask("tasks/cancel", {"taskId": task})["error"]["code"] == -32602
    assert "cancelled" in client.ask("tasks/result", {"taskId": task})["error"]["message"]


def test_task_outlives_request_and_session(client: SessionClient) -> None:
    task = client.create()["taskId"]
    client.post(notification("notifications/cancelled", {"requestId": 1}))
    assert answer(client.http("DELETE")).status == 204
    del client.headers["mcp-session-id"]
    client.initialize()
    assert client.get(task)["status"] == "working"
    assert client.job.cancelled == 0


def test_input_is_asked_while_client_waits_for_result(client: SessionClient) -> None:
    task = client.create()["taskId"]
    asked = client.job.context.elicit("Name?", FORM)
    assert client.get(task)["status"] == "input_required"
    reply = client.http("POST", request("tasks/result", {"taskId": task}, 5))
    reader = Reader(answer(reply))
    (question,) = reader.messages
    assert question["method"] == "elicitation/create"
    assert question["params"]["_meta"] == {RELATED: {"taskId": task}}
    response = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
    client.post(response)
    assert answer(asked) == {"action": "decline"}
    assert client.get(task)["status"] == "working"
    client.job.running[0].callback("Done.")
    assert reader.messages[-1]["result"]["content"][0]["text"] == "Done."


def test_client_that_only_listens_is_asked_once(client: SessionClient) -> None:
    reader = client.listen()
    task = client.create()["taskId"]
    asked = client.job.context.elicit("Name?", FORM)

    def questions() -> list[Any]:
        return [one for one in reader.messages if one["method"] == "elicitation/create"]

    assert questions() == []  # it may not know the id yet
    for _ in range(2):
        assert client.get(task)["status"] == "input_required"
    waiting = client.http("POST", request("tasks/result", {"taskId": task}, 5))
    (question,) = questions()
    assert question["params"]["_meta"] == {RELATED: {"taskId": task}}
    client.post({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
    assert answer(asked) == {"action": "decline"}
    client.job.running[0].callback("Done.")
    assert json.loads(answer(waiting).body)["result"]["isError"] is False


def test_refused_input_is_an_error_of_the_tool(client: SessionClient) -> None:
    async def ask(arguments: Mapping[str, Any], context: Any) -> Any:
        return str(await context.elicit("Name?", FORM))

    client.catalog.add_tool(Tool("ask", "", ask, task_support=TaskSupport()))
    for id, reply in ((5, {"error": {"code": -1, "message": "No."}}), (6, {"result": {"a": 1}})):  # noqa: A001
        task = client.create(name="ask")["taskId"]
        waiting = client.http("POST", request("tasks/result", {"taskId": task}, id))
        (question,) = Reader(answer(waiting)).messages
        client.post({"jsonrpc": "2.0", "id": question["id"], **reply})
        assert client.get(task)["status"] == "failed"


def test_client_can_stop_waiting(client: SessionClient) -> None:
    task = client.create()["taskId"]
    client.job.context.elicit("Name?", FORM)
    reply = client.http("POST", request("tasks/result", {"taskId": task}, 5))
    reader = Reader(answer(reply))
    client.post(notification("notifications/cancelled", {"requestId": 5}))
    assert reader.messages[-1]["method"] == "notifications/cancelled"
    assert client.get(task)["status"] == "input_required"


def test_waiting_has_no_time_limit(client: SessionClient) -> None:
    task = client.create()["taskId"]
    reply = client.http("POST", request("tasks/result", {"taskId": task}, 5))
    client.clock.advance(1000)
    reader = Reader(answer(reply))
    assert reader.messages == []
    client.job.running[0].callback("Done.")
    assert reader.messages[-1]["result"]["isError"] is False


def test_list_has_only_own_tasks(client: SessionClient) -> None:
    first, second = client.create()["taskId"], client.create()["taskId"]
    found = client.ask("tasks/list")["result"]
    assert [task["taskId"] for task in found["tasks"]] == [first, second]
    client.principal = "bob"
    client.initialize()
    assert client.ask("tasks/list")["result"]["tasks"] == []
    assert client.ask("tasks/get", {"taskId": first})["error"]["code"] == -32602


def test_anonymous_list_has_only_tasks_of_session(client: SessionClient) -> None:
    client.principal = ""
    client.initialize()
    task = client.create()["taskId"]
    assert len(client.ask("tasks/list")["result"]["tasks"]) == 1
    client.initialize()
    assert client.ask("tasks/list")["result"]["tasks"] == []
    assert client.get(task)["status"] == "working"


def test_session_hears_of_progress_and_state(client: SessionClient) -> None:
    reader = client.listen()
    task = client.create(_meta={"progressToken": 9})["taskId"]
    client.job.context.progress(1, 2, "half")
    client.clock.advance(1)
    client.job.running[0].callback("Done.")
    found = [message for message in reader.messages if "list_changed" not in message["method"]]
    progress, message, end = [one["params"] for one in found]
    assert (progress["progressToken"], progress["message"]) == (9, "half")
    assert progress["_meta"] == {RELATED: {"taskId": task}}
    assert (message["status"], message["statusMessage"]) == ("working", "half")
    assert end["status"] == "completed"
    assert found[-1]["method"] == "notifications/tasks/status"


def test_only_newest_requests_wait_for_a_result(client: SessionClient) -> None:
    task = client.create()["taskId"]
    waiting = [
        client.http("POST", request("tasks/result", {"taskId": task}, 10 + number))
        for number in range(7)
    ]
    for each in waiting[:3]:
        assert json.loads(answer(each).body)["error"]["code"] == -32600
    client.job.running[0].callback("Done.")
    for each in waiting[3:]:
        assert json.loads(answer(each).body)["result"]["content"][0]["text"] == "Done."
    assert "result" in client.ask("tasks/result", {"taskId": task})
