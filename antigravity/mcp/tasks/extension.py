"""The methods of the extension ``io.modelcontextprotocol/tasks``, for revision 2026-07-28.

There is no list of tasks, and no method that waits: clients ask for the state, or subscribe to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.tasks import encode_details
from antigravity.mcp.tasks.table import TaskTable
from antigravity.mcp.tasks.task import Task, TaskOwner

METHODS: Final = ("tasks/get", "tasks/update", "tasks/cancel")


def call(
    table: TaskTable, method: str, params: Mapping[str, Any], owner: TaskOwner
) -> dict[str, Any] | Deferred[dict[str, Any]]:
    """Return the result of one of the ``METHODS``, or a Deferred that fires with it.

    :raises McpError: if the task is unknown, or the parameters are not valid.
    """
    task = table.find(params.get("taskId"), owner)
    if method == "tasks/get":
        if task.refresh is None or task.is_over:
            return details(task)
        return task.refresh().addCallback(lambda _: details(task))
    if method == "tasks/cancel":
        task.cancel()
        return {}
    responses = params.get("inputResponses")
    if not isinstance(responses, Mapping):
        raise McpError(messages.INVALID_PARAMS, "inputResponses must be an object.")
    task.respond(responses)
    return {}


def details(task: Task) -> dict[str, Any]:
    """Return a whole task, and remember that the owner has seen its end."""
    task.was_delivered = task.was_delivered or task.is_over
    return encode_details(task.state())
