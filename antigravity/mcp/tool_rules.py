"""Rules of tools that not every client can use, or whose calls can continue as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.context import CallContext
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.extensions import TASKS, UI, missing
from antigravity.mcp.registry import McpRegistry, ToolRules


def is_visible(rules: ToolRules, context: CallContext) -> bool:
    """Return whether the client can use the tool, so that its list should have it."""
    if rules.restricted is not None and not rules.restricted.is_allowed(context):
        return False
    if rules.app_only and not context.has_extension(UI):
        return False
    if rules.task is not None and rules.task.required:
        return context.rules.tasks or (context.rules.stateless and context.has_extension(TASKS))
    return True


def apply(rules: ToolRules | None, params: Mapping[str, Any], context: CallContext) -> None:
    """Make a task of a call of the tool, if the rules say so.

    :raises McpError: if the client must not call the tool, or not in this way.
    """
    if rules is not None and rules.app_only and not context.has_extension(UI):
        raise unknown_tool(params["name"])
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


def name_of(params: Mapping[str, Any], registry: McpRegistry, context: CallContext) -> str:
    """Return the full name of a tool that a client calls by an unknown one.

    Pages call tools by their names at their own server.

    :raises McpError: if there is no such tool, or if several servers with pages have one.
    """
    name: str = params["name"]
    if context.has_extension(UI):
        names = registry.names_for_page(name)
        if len(names) == 1:
            return names[0]
        if names:
            text = f"Several servers have the tool {name[:200]}; call one of {', '.join(names)}."
            raise McpError(messages.INVALID_PARAMS, text)
    raise unknown_tool(name)


def unknown_tool(name: str) -> McpError:
    """Return the error for an unknown tool."""
    return McpError(messages.INVALID_PARAMS, f"Unknown tool: {name[:200]}")


def _too_many() -> McpError:
    return McpError(messages.INTERNAL_ERROR, "Too many tasks are running; try again.")
