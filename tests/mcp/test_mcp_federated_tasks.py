"""Tasks of another server: an endpoint offers the tools of one whose jobs the test decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp_values import McpError, TaskSupport, ToolError
from antigravity.mcp.function_objects import Tool
from antigravity.mcp.protocol.messages import Notification
from antigravity.mcp.tasks import table
from antigravity.mcp.tasks.task import MOST_INPUT_BYTES
from tests.mcp.endpoint_transport import EndpointTransport, federated
from tests.mcp.fixtures import Client, Reader, answer, error, notification, request, result
from tests.mcp.task_fixtures import FORM, WITH_TASKS, Job, TaskClient

DECLINE = {"action": "decline"}


class FederatedClient(TaskClient):
    """A client of a gateway, and the server behind it; ``remote_job`` is a job of the server."""

    def __init__(self, *, modern: bool, required: bool = False) -> None:
        super().__init__()
        self.remote = Client(clock=self.clock)
        self.remote_job = Job()
        support = TaskSupport(required=required, poll_interval=2.0)
        self.remote.catalog.add_tool(Tool("job", "", self.remote_job, task_support=support))
        self.transport = EndpointTransport(self.remote.endpoint)
        self.server = federated("far", self.clock, self.transport, modern=modern)
        assert self.server.state == "ready", self.server.reason
        self.endpoint.registry.add(self.server.catalog)
        self.modern_server = modern

    def create(self) -> dict[str, Any]:
        """Call the server's tool, and return the task."""
        found: dict[str, Any] = result(self.send("tools/call", name="far__job", arguments={}))
        assert found["resultType"] == "task", found
        return found

    def poll(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the state of a task after the server was asked."""
        headers = {"mcp-name": id}
        reply = self.modern("tasks/get", {"taskId": id}, meta=WITH_TASKS, headers=headers)
        self.clock.advance(1)
        return result(answer(reply))

    def stop(self) -> None:
        """Stop everything; no timer may be left."""
        self.endpoint.stop()
        self.server.stop()
        self.remote.endpoint.stop()
        self.clock.advance(0)
        assert self.clock.getDelayedCalls() == []


@pytest.fixture(params=["2026-07-28", "2025-11-25"])
def client(request: pytest.FixtureRequest) -> Iterator[FederatedClient]:
    client = FederatedClient(modern=request.param == "2026-07-28")
    yield client
    client.stop()


@pytest.fixture
def modern() -> Iterator[FederatedClient]:
    client = FederatedClient(modern=True)
    yield client
    client.stop()


def remote_ids(client: FederatedClient) -> list[str]:
    return [task.id for task in client.remote.endpoint._tasks._tasks.values()]


def test_task_of_server_is_relayed_under_another_id(client: FederatedClient) -> None:
    created = client.create()
    assert created["taskId"] not in remote_ids(client)
    assert created["pollIntervalMs"] == 2000
    assert client.poll(created["taskId"])["status"] == "working"
    client.remote_job.running[0].callback("Done.")
    found = client.poll(created["taskId"])
    assert found["status"] == "completed"
    assert found["result"]["content"] == [{"type": "text", "text": "Done."}]
    assert remote_ids(client)[0] not in json.dumps(found)


def test_failures_of_server_are_told_apart(client: FederatedClient) -> None:
    tool, protocol = client.create()["taskId"], client.create()["taskId"]
    client.remote_job.running[0].errback(ToolError("No luck."))
    client.remote_job.running[1].errback(McpError(-32001, "Broken."))
    assert client.poll(tool)["result"]["isError"] is True
    assert client.poll(protocol)["error"]["code"] == -32001


def test_cancellation_reaches_server(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    client.send("tasks/cancel", taskId=task)
    assert client.poll(task)["status"] == "cancelled"
    assert client.remote_job.cancelled == 1


def test_cancellation_by_server_reaches_client(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    (remote,) = client.remote.endpoint._tasks._tasks.values()
    remote.cancel()
    assert client.poll(task)["status"] == "cancelled"


def test_progress_of_server_is_the_message(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    client.remote_job.context.progress(1, 2, "half")
    client.clock.advance(3)
    assert client.poll(task)["statusMessage"] == "half"


def test_other_key_does_not_find_task_of_server(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    client.principal = "bob"
    assert error(client.send("tasks/get", taskId=task))["code"] == -32602
    assert error(client.send("tasks/get", taskId=remote_ids(client)[0]))["code"] == -32602


def test_question_of_server_reaches_client_and_answer_returns(modern: FederatedClient) -> None:
    task = modern.create()["taskId"]
    asked = {key: modern.remote_job.context.elicit("Name?", FORM, name=key) for key in ("a", "b")}
    found = modern.poll(task)
    assert (found["status"], list(found["inputRequests"])) == ("input_required", ["a", "b"])
    modern.send("tasks/update", taskId=task, inputResponses={"a": DECLINE})
    assert answer(asked["a"]) == DECLINE  # type: ignore[arg-type]
    found = modern.poll(task)
    assert list(found["inputRequests"]) == ["b"]
    asked["b"].cancel()  # the server withdraws its question
    assert modern.poll(task)["status"] == "working"


def test_question_of_server_with_session_is_refused() -> None:
    client = FederatedClient(modern=False)
    task = client.create()["taskId"]
    context = client.remote_job.context
    assert context.capabilities == {}  # one connection serves all clients
    context.capabilities = {"elicitation": {}}  # a server that does not care
    asked = context.elicit("Name?", FORM)
    client.clock.pump([1.0] * 5)
    refused: list[Any] = []
    asked.addErrback(refused.append)
    assert "does not forward" in refused[0].getErrorMessage()
    client.remote_job.running[0].callback("Done.")
    assert client.poll(task)["result"]["content"][0]["text"] == "Done."
    client.stop()


def test_result_is_requested_again_if_the_first_request_lasts_too_long() -> None:
    client = FederatedClient(modern=False)
    task = client.create()["taskId"]
    sender = client.server.catalog.tools()[0].server
    original, early = sender.send, Deferred[Any]()

    def send(method: str, *arguments: Any, **more: Any) -> Any:
        if method == "tasks/get":
            return succeed({"taskId": remote_ids(client)[0], "status": "input_required"})
        assert method == "tasks/result"
        return early

    sender.send = send  # type: ignore[method-assign]
    client.clock.advance(3)
    sender.send = original  # type: ignore[method-assign]
    early.errback(ToolError("far took longer than 5 seconds."))
    client.remote_job.running[0].callback("Done.")
    client.clock.pump([1.0] * 4)
    found = client.get(task)
    client.stop()
    assert found["result"]["content"][0]["text"] == "Done."


def test_unreachable_server_fails_its_tasks_after_a_while(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    client.transport.away = "gone"
    client.clock.pump([1.0] * 10)
    assert client.get(task)["status"] == "working"
    client.clock.pump([5.0] * 20)
    found = client.get(task)
    assert found["status"] == "failed"
    assert "lost with its server" in found["error"]["message"]
    client.transport.away = ""


def test_server_that_returns_in_time_keeps_its_tasks(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    client.transport.away = "gone"
    client.clock.pump([1.0] * 10)
    client.transport.away = ""
    client.clock.pump([5.0] * 10)
    client.remote_job.running[0].callback("Done.")
    assert client.poll(task)["status"] == "completed"


def test_slow_response_about_state_does_not_fail_the_task(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    sender = client.server.catalog.tools()[0].server
    original = sender.send
    slow = fail(ToolError("far took longer than 5 seconds."))  # the limit of a request
    sender.send = lambda *_, **__: slow  # type: ignore[method-assign]
    client.clock.advance(2)
    sender.send = original  # type: ignore[method-assign]
    client.remote_job.running[0].callback("Done.")
    client.clock.pump([1.0] * 3)
    assert client.get(task)["result"]["content"][0]["text"] == "Done."


def test_server_that_forgot_a_task_fails_it(client: FederatedClient) -> None:
    task = client.create()["taskId"]
    remote_table: table.TaskTable = client.remote.endpoint._tasks
    (remote,) = remote_table._tasks.values()
    remote_table._remove(remote)
    found = client.poll(task)
    assert found["status"] == "failed"
    assert "no longer knows the task" in found["error"]["message"]


@pytest.mark.parametrize("modern", [True, False])
def test_gateway_waits_for_required_task_on_behalf_of_client(modern: bool) -> None:
    client = FederatedClient(modern=modern, required=True)
    params = {"name": "far__job", "arguments": {}}
    names = [tool["name"] for tool in result(client.send("tools/list", meta={}))["tools"]]
    assert "far__job" in names
    reply = client.modern("tools/call", params, meta={"progressToken": 1})
    client.remote_job.context.progress(1, 2, "half")
    client.clock.pump([1.0] * 5)
    client.remote_job.running[0].callback("Done.")
    client.clock.pump([1.0] * 5)
    *progress, last = Reader(answer(reply)).messages
    assert {one["params"]["message"] for one in progress} == {"half"}
    assert last["result"]["resultType"] == "complete"
    assert last["result"]["content"][0]["text"] == "Done."
    client.stop()


def test_end_of_connection_cancels_task_at_server() -> None:
    client = FederatedClient(modern=True, required=True)
    reply = client.modern("tools/call", {"name": "far__job", "arguments": {}})
    client.clock.advance(1)
    reply.addErrback(lambda failure: None)
    reply.cancel()
    assert client.remote_job.cancelled == 1
    client.stop()


def test_optional_task_is_an_ordinary_call_without_support(client: FederatedClient) -> None:
    reply = client.modern("tools/call", {"name": "far__job", "arguments": {}})
    assert remote_ids(client) == []
    client.remote_job.running[0].callback("Done.")
    assert result(answer(reply))["content"][0]["text"] == "Done."


class Waiting:
    """A call of a required tool, by a client without tasks that can be asked."""

    def __init__(self) -> None:
        self.client = FederatedClient(modern=True, required=True)
        self.params = {"name": "far__job", "arguments": {}}
        self.asked: dict[str, Any] = {}

    def ask(self, *names: str) -> None:
        """Let the server's tool ask the client."""
        context = self.client.remote_job.context
        for name in names:
            self.asked[name] = context.elicit("Name?", FORM, name=name)

    def call(self, **more: Any) -> Deferred[Reply]:
        return self.client.modern("tools/call", self.params | more, meta={"progressToken": 3})

    def messages(self, reply: Deferred[Reply]) -> list[dict[str, Any]]:
        """Return what the client has received after a while."""
        self.client.clock.pump([1.0] * 5)
        found = answer(reply)
        return [json.loads(found.body)] if found.stream is None else Reader(found).messages

    def outcome(self, reply: Deferred[Reply]) -> dict[str, Any]:
        found: dict[str, Any] = self.messages(reply)[-1]["result"]
        return found

    def answered(self, outcome: dict[str, Any], **more: Any) -> Deferred[Reply]:
        """Repeat the call with answers to all questions."""
        responses = dict.fromkeys(outcome["inputRequests"], DECLINE)
        return self.call(inputResponses=responses, requestState=outcome["requestState"], **more)


def test_call_without_tasks_goes_on_with_answers() -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a", "b")
    outcome = waiting.outcome(reply)
    assert outcome["resultType"] == "input_required"
    assert len(outcome["inputRequests"]) == 2
    reply = waiting.answered(outcome)
    waiting.client.clock.pump([1.0] * 5)
    assert [answer(one) for one in waiting.asked.values()] == [DECLINE, DECLINE]
    waiting.ask("c")
    outcome = waiting.outcome(reply)
    assert len(outcome["inputRequests"]) == 1
    reply = waiting.answered(outcome)
    waiting.client.remote_job.context.progress(1, 2, "nearly")
    waiting.client.clock.pump([1.0] * 5)
    waiting.client.remote_job.running[0].callback("Done.")
    *progress, last = waiting.messages(reply)
    assert progress[-1]["params"]["message"] == "nearly"
    assert progress[-1]["params"]["progressToken"] == 3
    assert last["result"]["resultType"] == "complete"
    assert last["result"]["content"][0]["text"] == "Done."
    assert len(waiting.client.remote_job.running) == 1  # it was never started again
    waiting.client.stop()


def test_only_the_same_call_of_the_same_key_goes_on() -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a")
    outcome = waiting.outcome(reply)
    changed = waiting.answered(outcome, arguments={"a": 1})
    assert "requestState" in error(answer(changed))["message"]
    waiting.client.principal = "bob"
    assert "requestState" in error(answer(waiting.answered(outcome)))["message"]
    assert len(waiting.client.remote_job.running) == 1
    waiting.client.stop()


@pytest.mark.parametrize("responses", [[], {"a": 1}])
def test_malformed_answers_leave_the_call_as_it_is(responses: Any) -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a")
    outcome = waiting.outcome(reply)
    state = outcome["requestState"]
    bad = waiting.call(inputResponses=responses, requestState=state)
    assert error(answer(bad))["code"] == -32602
    reply = waiting.answered(outcome)
    waiting.client.clock.pump([1.0] * 5)
    waiting.client.remote_job.running[0].errback(McpError(-32001, "Broken."))
    assert waiting.messages(reply)[-1]["error"]["message"] == "Broken."
    waiting.client.stop()


def test_newest_repetition_of_call_gets_the_result() -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a")
    outcome = waiting.outcome(reply)
    (task,) = waiting.client.endpoint._tasks._tasks.values()
    earlier = [waiting.answered(outcome) for _ in range(20)]
    newest = waiting.answered(outcome)
    waiting.client.clock.advance(0)
    assert len(task._watchers) == 1
    for one in earlier:
        assert "was repeated" in error(answer(one))["message"]
    waiting.client.clock.advance(3)
    waiting.client.remote_job.running[0].callback("Done.")
    assert waiting.outcome(newest)["content"][0]["text"] == "Done."
    waiting.client.stop()


def test_call_that_nobody_goes_on_with_is_cancelled() -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a")
    waiting.asked["a"].addErrback(lambda failure: None)
    outcome = waiting.outcome(reply)
    repeated = waiting.answered(outcome)
    waiting.client.clock.advance(0)
    waiting.ask("b")
    waiting.asked["b"].addErrback(lambda failure: None)
    waiting.outcome(repeated)
    waiting.client.clock.pump([60.0] * 11)
    assert waiting.client.remote_job.cancelled == 1
    waiting.client.stop()


def test_end_of_repeated_connection_cancels_task_at_server() -> None:
    waiting = Waiting()
    reply = waiting.call()
    waiting.ask("a")
    repeated = waiting.answered(waiting.outcome(reply))
    waiting.client.clock.advance(0)
    repeated.addErrback(lambda failure: None)
    repeated.cancel()
    waiting.client.clock.advance(0)
    assert waiting.client.remote_job.cancelled == 1
    waiting.client.stop()


def test_client_with_session_gets_task_of_server(client: FederatedClient) -> None:
    client.initialize("2025-11-25", {"elicitation": {}})
    tools = client.ask("tools/list")["result"]["tools"]
    execution = {tool["name"]: tool.get("execution") for tool in tools}
    assert execution["far__job"] == {"taskSupport": "optional"}
    params = {"name": "far__job", "arguments": {}, "task": {}, "_meta": {"progressToken": 5}}
    created = client.ask("tools/call", params)["result"]["task"]
    if client.modern_server:
        client.remote_job.context.elicit("Name?", FORM)
        client.clock.pump([1.0] * 5)
    reply = client.http("POST", request("tasks/result", {"taskId": created["taskId"]}, 9))
    client.clock.advance(3)
    reader = Reader(answer(reply))
    if client.modern_server:
        (question,) = reader.messages
        client.post({"jsonrpc": "2.0", "id": question["id"], "result": DECLINE})
    client.remote_job.running[0].callback("Done.")
    client.clock.pump([1.0] * 5)
    assert reader.messages[-1]["result"]["content"][0]["text"] == "Done."
    client.post(notification("notifications/cancelled", {"requestId": 9}))


def test_progress_of_session_server_reaches_session(client: FederatedClient) -> None:
    client.initialize("2025-11-25", {})
    reader = client.listen()
    params = {"name": "far__job", "arguments": {}, "task": {}, "_meta": {"progressToken": 5}}
    client.ask("tools/call", params)
    client.remote_job.context.progress(1, 2, "half")
    client.clock.pump([1.0] * 5)
    progress = [m["params"] for m in reader.messages if m["method"] == "notifications/progress"]
    assert [(one["progressToken"], one["message"]) for one in progress] == [(5, "half")]
    total = None if client.modern_server else 2  # its extension has only the message
    assert progress[0].get("total") == total


def started(client: FederatedClient, **members: Any) -> dict[str, Any]:
    """Call the tool of a server that responds with a task with ``members``."""
    tool = client.server.catalog.tools()[0]
    original = tool.server.send
    task = {"resultType": "task", "taskId": "x", "status": "working", **members}
    tool.server.send = lambda method, *_, **__: succeed(task if method == "tools/call" else {})
    found: dict[str, Any] = result(client.send("tools/call", name="far__job", arguments={}))
    tool.server.send = original
    return found


@pytest.mark.parametrize("name", ["ttlMs", "pollIntervalMs"])
def test_huge_times_of_server_are_bounded(modern: FederatedClient, name: str) -> None:
    task = started(modern, **{name: 10**400})
    assert task["resultType"] == "task"
    assert task["ttlMs"] <= 3_600_000
    assert task["pollIntervalMs"] <= 60_000


@pytest.mark.parametrize("numbers", [{"progress": 10**400}, {"progress": 1, "total": 10**400}])
def test_huge_progress_of_server_is_harmless(numbers: dict[str, Any]) -> None:
    client = FederatedClient(modern=False)
    client.create()
    session = client.server._session
    assert session is not None
    ((token, _),) = session._tasks.items()
    params = {"progressToken": token, **numbers}
    session._received(Notification("notifications/progress", params), None)
    client.stop()


def test_error_of_server_is_kept_without_large_parts(modern: FederatedClient) -> None:
    failure = {"code": -1, "message": "m" * 10**6, "data": "d" * 10**6}
    task = started(modern, status="failed", error=failure)["taskId"]
    found = modern.get(task)["error"]
    assert found["code"] == -1
    assert len(json.dumps(found)) < 20_000
    small = started(modern, status="failed", error={**failure, "data": [1]})["taskId"]
    assert modern.get(small)["error"]["data"] == [1]


def test_questions_of_server_are_bounded(modern: FederatedClient) -> None:
    params = {"message": "m" * MOST_INPUT_BYTES, "requestedSchema": FORM}
    question = {"method": "elicitation/create", "params": params}
    task = started(modern, status="input_required", inputRequests={"a": question})["taskId"]
    modern.clock.advance(3)
    found = modern.get(task)
    assert found["status"] == "failed"
    assert "at most" in found["error"]["message"]


def test_malformed_task_is_an_error(modern: FederatedClient) -> None:
    waiting: Deferred[Any] = Deferred()
    tool = modern.server.catalog.tools()[0]
    original = tool.server.send
    tool.server.send = lambda *_, **__: waiting
    waiting.callback({"resultType": "task", "taskId": "x", "status": "dreaming"})
    found = result(modern.send("tools/call", name="far__job", arguments={}))
    tool.server.send = original
    assert found["isError"] is True
    assert "malformed task" in found["content"][0]["text"]
