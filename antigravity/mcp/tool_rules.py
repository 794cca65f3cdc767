"""Rules of tools that not every client can use, or whose calls can continue as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.context import CallContext
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.extensions import TASKS, missing
from antigravity.mcp.registry import ToolRules


def is_visible(rules: ToolRules, context: CallContext) -> bool:
    """Return whether the client can use the tool, so that its list should have it."""
    if rules.task is not None and rules.task.required:
        return context.rules.tasks or (context.rules.stateless and context.has_extension(TASKS))
    return True


def apply(rules: ToolRules | None, params: Mapping[str, Any], context: CallContext) -> None:
    """Make a task of a call of the tool, if the rules say so.

    :raises McpError: if the client must not call the tool, or not in this way.
    """
    task = None if rules is None else rules.task
    if context.wants_task:
        if task is None:
            text = f"{params['name']} does not run as a task; call it without one."
            raise McpError(messages.METHOD_NOT_FOUND, text)
        context.support = task
        if not context.start_task():
            raise _too_many()
    elif task is not None:
        context.support = task
        if task.required and context.task_starter is None:
            if context.rules.stateless:
                raise missing(TASKS)
            text = f"{params['name']} runs only as a task."
            raise McpError(messages.METHOD_NOT_FOUND, text)
        if task.at_once and not context.start_task() and task.required:
            raise _too_many()


def _too_many() -> McpError:
    return McpError(messages.INTERNAL_ERROR, "Too many tasks are running; try again.")
