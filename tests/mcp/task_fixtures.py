"""A client that supports tasks, and a tool whose end the test decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp_values import TaskSupport
from antigravity.mcp.endpoint import Limits
from antigravity.mcp.function_objects import Tool
from tests.mcp.fixtures import META, Client, answer, result

TASKS = "io.modelcontextprotocol/tasks"
WITH_TASKS = {
    f"{META}clientCapabilities": {"elicitation": {}, "sampling": {}, "extensions": {TASKS: {}}}
}
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}


class Job:
    """A tool whose end the test decides."""

    def __init__(self) -> None:
        self.running: list[Deferred[Any]] = []
        self.cancelled = 0
        self.context: Any = None

    def __call__(self, arguments: Mapping[str, Any], context: Any) -> Deferred[Any]:
        self.context = context
        self.running.append(Deferred(self._cancel))
        return self.running[-1]

    def _cancel(self, _: object) -> None:
        self.cancelled += 1


class TaskClient(Client):
    """A client that supports tasks, of an endpoint with the tool ``job``."""

    def __init__(self, limits: Limits | None = None, support: TaskSupport | None = None) -> None:
        super().__init__(limits)
        self.job = Job()
        self.catalog.add_tool(
            Tool("job", "Works.", self.job, task_support=support or TaskSupport())
        )

    def send(self, method: str, meta: Mapping[str, Any] = WITH_TASKS, **params: Any) -> Any:
        """Send a request, and return the reply."""
        headers = {"mcp-name": params["taskId"]} if "taskId" in params else {}
        return answer(self.modern(method, params, meta=meta, headers=headers))

    def create(self) -> dict[str, Any]:
        """Call the tool, and return the task."""
        found: dict[str, Any] = result(self.send("tools/call", name="job", arguments={}))
        assert found["resultType"] == "task", found
        return found

    def get(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the state of a task."""
        found: dict[str, Any] = result(self.send("tasks/get", taskId=id))
        assert found["resultType"] == "complete"
        return found
