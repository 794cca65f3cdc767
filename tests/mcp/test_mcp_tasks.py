"""Calls that continue as tasks, for clients of the extension of revision 2026-07-28."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antigravity.interfaces.mcp_values import McpError, TaskSupport, ToolError
from antigravity.mcp.endpoint import Limits
from antigravity.mcp.function_objects import Tool
from antigravity.mcp.running_calls import CallLimits
from antigravity.mcp.tasks import table
from antigravity.mcp.tasks.table import TaskLimits
from tests.mcp.fixtures import META, Reader, answer, error, result
from tests.mcp.task_fixtures import FORM, TASKS, WITH_TASKS, TaskClient


@pytest.fixture
def client() -> TaskClient:
    return TaskClient()


def test_call_becomes_task_and_completes(client: TaskClient) -> None:
    created = client.create()
    assert created["status"] == "working"
    assert created["ttlMs"] == 3_600_000
    assert created["pollIntervalMs"] == 1000
    assert not created.keys() & {"task", "result", "requestState", "ttl"}
    assert client.get(created["taskId"])["status"] == "working"
    client.job.running[0].callback("Done.")
    found = client.get(created["taskId"])
    assert found["status"] == "completed"
    assert found["result"]["content"] == [{"type": "text", "text": "Done."}]
    assert found["result"]["resultType"] == "complete"
    assert client.running == set()


def test_failures_are_told_apart(client: TaskClient) -> None:
    ids = [client.create()["taskId"] for _ in range(3)]
    client.job.running[0].errback(ToolError("No luck."))
    client.job.running[1].errback(McpError(-32001, "Broken.", {"a": 1}))
    client.job.running[2].errback(ValueError("secret"))
    tool, protocol, bug = map(client.get, ids)
    assert (tool["status"], tool["result"]["isError"]) == ("completed", True)
    assert protocol["status"] == "failed"
    assert protocol["error"] == {"code": -32001, "message": "Broken.", "data": {"a": 1}}
    assert "result" not in protocol
    assert bug["status"] == "completed"
    assert "secret" not in str(bug)


def test_client_without_extension_gets_progress_and_result(client: TaskClient) -> None:
    params = {"name": "job", "arguments": {}}
    reply = client.modern("tools/call", params, meta={"progressToken": 7})
    client.job.context.progress(1, 2, "half")
    client.job.running[0].callback("Done.")
    progress, found = Reader(answer(reply)).messages
    assert progress["params"] == {
        "progressToken": 7,
        "progress": 1,
        "total": 2,
        "message": "half",
    }
    assert found["result"]["resultType"] == "complete"
    assert found["result"]["content"][0]["text"] == "Done."


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_client_without_extension_is_refused(client: TaskClient, method: str) -> None:
    task = client.create()["taskId"]
    reply = client.send(method, meta={}, taskId=task, inputResponses={})
    assert reply.status == 400
    assert error(reply)["code"] == -32021
    assert error(reply)["data"]["requiredCapabilities"]["extensions"] == {TASKS: {}}


def test_required_tool_is_hidden_and_refused_without_extension() -> None:
    client = TaskClient(support=TaskSupport(required=True))
    assert result(client.send("tools/list", meta={}))["tools"] == []
    (entry,) = result(client.send("tools/list"))["tools"]
    assert "execution" not in entry
    reply = client.send("tools/call", meta={}, name="job", arguments={})
    assert error(reply)["code"] == -32021
    assert client.job.running == []


def test_cancelled_task_cancels_its_tool(client: TaskClient) -> None:
    task = client.create()["taskId"]
    for _ in range(2):
        assert result(client.send("tasks/cancel", taskId=task))["resultType"] == "complete"
    assert client.job.cancelled == 1
    assert client.get(task)["status"] == "cancelled"


def test_end_of_connection_does_not_cancel_task(client: TaskClient) -> None:
    reply = client.modern("tools/call", {"name": "job", "arguments": {}}, meta=WITH_TASKS)
    task = result(answer(reply))["taskId"]
    reply.cancel()
    assert client.get(task)["status"] == "working"
    assert client.job.cancelled == 0


def test_call_timeout_does_not_end_task() -> None:
    client = TaskClient(Limits(CallLimits(1, 10.0)))
    task = client.create()["taskId"]
    client.clock.advance(100)
    assert client.get(task)["status"] == "working"
    assert client.create()["status"] == "working"  # tasks do not count as calls


def test_other_key_does_not_find_task(client: TaskClient) -> None:
    task = client.create()["taskId"]
    client.principal = "bob"
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        reply = client.send(method, taskId=task, inputResponses={})
        assert error(reply)["code"] == -32602
        assert "not found" in error(reply)["message"]
    assert client.job.cancelled == 0


@pytest.mark.parametrize(("name", "code"), [("other", -32020), (None, None)])
def test_header_with_id_may_be_missing_but_not_wrong(
    client: TaskClient, name: str | None, code: int | None
) -> None:
    task = client.create()["taskId"]
    headers = {} if name is None else {"mcp-name": name}
    reply = client.modern("tasks/get", {"taskId": task}, meta=WITH_TASKS, headers=headers)
    found = answer(reply)
    assert (error(found)["code"] if code else found.status) == (code or 200)


def test_restart_is_named_as_reason(client: TaskClient) -> None:
    other = TaskClient().create()["taskId"]
    assert "restarted" in error(client.send("tasks/get", taskId=other))["message"]
    assert "restarted" not in error(client.send("tasks/get", taskId="unknown"))["message"]


def test_input_is_collected_piece_by_piece(client: TaskClient) -> None:
    task = client.create()["taskId"]
    context = client.job.context
    asked = {name: context.elicit("Name?", FORM, name=name) for name in ("a", "b")}
    found = client.get(task)
    assert found["status"] == "input_required"
    assert list(found["inputRequests"]) == ["a", "b"]
    assert found["inputRequests"]["a"]["params"]["message"] == "Name?"
    first = {"a": {"action": "accept", "content": {"name": "Ada"}}, "unknown": {}}
    assert result(client.send("tasks/update", taskId=task, inputResponses=first)) is not None
    assert list(client.get(task)["inputRequests"]) == ["b"]
    assert answer(asked["a"])["content"] == {"name": "Ada"}  # type: ignore[arg-type]
    client.send("tasks/update", taskId=task, inputResponses={"b": {"action": "decline"}})
    assert client.get(task)["status"] == "working"


@pytest.mark.parametrize("responses", [None, [], {"a": 1}, {"a": {"action": "maybe"}}])
def test_invalid_input_is_refused(client: TaskClient, responses: object) -> None:
    task = client.create()["taskId"]
    client.job.context.elicit("Name?", FORM, name="a")
    reply = client.send("tasks/update", taskId=task, inputResponses=responses)
    assert error(reply)["code"] == -32602
    assert client.get(task)["status"] == "input_required"


def test_progress_is_the_message(client: TaskClient) -> None:
    task = client.create()["taskId"]
    client.job.context.progress(1, 4)
    assert client.get(task)["statusMessage"] == "1 of 4"
    client.job.context.progress(2, 4, "half way")
    client.job.context.log("info", "not for tasks")
    assert client.get(task)["statusMessage"] == "half way"


def test_tool_can_ask_before_its_task_starts() -> None:
    async def greet(arguments: Mapping[str, Any], context: Any) -> Any:
        name = (await context.elicit("Name?", FORM, name="name"))["content"]["name"]
        assert context.start_task("greeting")
        again = (await context.elicit("Sure?", FORM, name="name"))["content"]["name"]
        return f"{name} {again}"

    client = TaskClient()
    client.catalog.add_tool(Tool("greet", "", greet, task_support=TaskSupport(at_once=False)))
    asked = result(client.send("tools/call", name="greet", arguments={}))
    assert asked["resultType"] == "input_required"
    response = {"name": {"action": "accept", "content": {"name": "Ada"}}}
    created = result(
        client.send(
            "tools/call",
            name="greet",
            arguments={},
            inputResponses=response,
            requestState=asked["requestState"],
        )
    )
    assert (created["resultType"], created["statusMessage"]) == ("task", "greeting")
    (key,) = client.get(created["taskId"])["inputRequests"]
    assert key != "name"  # keys are not used again
    client.send("tasks/update", taskId=created["taskId"], inputResponses={key: response["name"]})
    assert client.get(created["taskId"])["result"]["content"][0]["text"] == "Ada Ada"


def test_start_task_without_extension_changes_nothing(client: TaskClient) -> None:
    client.modern("tools/call", {"name": "job", "arguments": {}})
    assert client.job.context.start_task() is False


def listen(client: TaskClient, *ids: str, meta: Mapping[str, Any] = WITH_TASKS) -> Any:
    return client.send("subscriptions/listen", meta=meta, notifications={"taskIds": list(ids)})


def test_subscribed_client_hears_of_changes(client: TaskClient) -> None:
    task = client.create()["taskId"]
    client.principal = "bob"
    foreign = client.create()["taskId"]
    client.principal = "alice"
    reader = Reader(listen(client, task, foreign, "unknown"))
    acknowledged = reader.messages[0]["params"]["notifications"]
    assert acknowledged["taskIds"] == [task]
    client.job.context.progress(1, 2, "one")
    client.job.context = None
    client.clock.advance(1)
    client.job.running[0].callback("x" * 400_000)  # more than a log keeps
    states = [message["params"] for message in reader.messages[1:]]
    assert {message["method"] for message in reader.messages[1:]} == {"notifications/tasks"}
    assert [one["status"] for one in states][-1] == "completed"
    assert len(states[-1]["result"]["content"][0]["text"]) == 400_000
    assert all(one["_meta"][f"{META}subscriptionId"] == 1 for one in states)
    assert client.get(task)["status"] == "completed"
    reader.leave()


def test_subscription_needs_extension(client: TaskClient) -> None:
    task = client.create()["taskId"]
    assert error(listen(client, task, meta={}))["code"] == -32021
    reply = client.send("subscriptions/listen", notifications={"taskIds": [1]})
    assert error(reply)["code"] == -32602


# -- limits --


def limited(**limits: Any) -> TaskClient:
    return TaskClient(Limits(tasks=TaskLimits(**limits)))


def test_long_task_is_stopped_and_its_end_kept() -> None:
    client = limited(ttl=60.0)
    task = client.create()["taskId"]
    client.clock.advance(61)
    found = client.get(task)
    assert (found["status"], client.job.cancelled) == ("failed", 1)
    assert "60 seconds" in found["error"]["message"]
    client.clock.advance(table.RETENTION)
    assert "expired" in error(client.send("tasks/get", taskId=task))["message"]


@pytest.mark.parametrize("limits", [{"most": 2}, {"most_of_one": 2}])
def test_without_room_calls_are_ordinary(limits: dict[str, int]) -> None:
    client = limited(**limits)
    first = client.create()["taskId"]
    client.create()
    reply = client.modern("tools/call", {"name": "job", "arguments": {}}, meta=WITH_TASKS)
    client.job.running[2].callback("Done.")
    assert result(answer(reply))["resultType"] == "complete"
    client.job.running[0].callback("Done.")
    client.get(first)  # an end that was seen makes room
    assert client.create()["status"] == "working"
    assert "not found" in error(client.send("tasks/get", taskId=first))["message"]


def test_one_key_does_not_take_the_room_of_another() -> None:
    client = limited(most_of_one=1)
    client.create()
    client.principal = "bob"
    assert client.create()["status"] == "working"


def test_required_tool_without_room_is_an_error() -> None:
    client = TaskClient(Limits(tasks=TaskLimits(most=0)), TaskSupport(required=True))
    assert error(client.send("tools/call", name="job", arguments={}))["code"] == -32603


def test_large_results_are_refused(client: TaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LARGEST_RESULT", 1000)
    task = client.create()["taskId"]
    client.job.running[0].callback("x" * 1001)
    assert client.get(task)["status"] == "failed"
    assert "1000" in client.get(task)["error"]["message"]


def test_results_of_one_key_leave_room_for_others(
    client: TaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LARGEST_RESULT", 1000)
    monkeypatch.setattr(table, "MOST_BYTES_OF_ONE", 1500)
    ids = [client.create()["taskId"] for _ in range(2)]
    client.principal = "bob"
    other = client.create()["taskId"]
    for running in client.job.running:
        running.callback("x" * 800)
    assert client.get(other)["status"] == "completed"
    client.principal = "alice"
    assert [client.get(one)["status"] for one in ids] == ["completed", "failed"]


def test_seen_results_make_room_for_others(
    client: TaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LARGEST_RESULT", 1000)
    monkeypatch.setattr(table, "MOST_RESULT_BYTES", 1500)
    ids = [client.create()["taskId"] for _ in range(3)]
    for running in client.job.running[:2]:
        running.callback("x" * 800)
    assert client.get(ids[0])["status"] == "completed"
    assert client.get(ids[1])["status"] == "failed"  # nobody had seen the first
    client.job.running[2].callback("x" * 800)
    assert client.get(ids[2])["status"] == "completed"


def test_stop_ends_tasks_and_timers() -> None:
    client = limited(ttl=60.0)
    client.create()
    client.job.context.progress(1)
    client.endpoint.stop()
    assert client.job.cancelled == 1
    assert client.clock.getDelayedCalls() == []
