"""Tools that run as tasks, as the official conformance suite asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.task import deferLater

from antigravity.interfaces.mcp_values import ClientRequest, McpError, TaskSupport, ToolError
from antigravity.mcp.function_objects import Tool

OPTIONAL: Final = TaskSupport(poll_interval=0.1)
REQUIRED: Final = TaskSupport(required=True, poll_interval=0.1)
_NAME: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
_CONFIRMATION: Final = {"type": "object", "properties": {"confirm": {"type": "boolean"}}}


def task_tools(clock: Any) -> tuple[Tool, ...]:
    """Return the tools, which wait on ``clock``."""

    async def slow_compute(arguments: Mapping[str, Any], context: Any) -> str:
        seconds = arguments.get("seconds", 0)
        context.progress(0, seconds, "computing")
        await deferLater(clock, seconds)
        return f"Computed {arguments.get('label', '')} in {seconds} seconds."

    async def failing_job(arguments: Mapping[str, Any], context: Any) -> str:
        await deferLater(clock, 0.2)
        raise ToolError("This job fails.")

    async def protocol_error_job(arguments: Mapping[str, Any], context: Any) -> str:
        await deferLater(clock, 0.2)
        raise McpError(-32603, "This job breaks.")

    async def multi_input(arguments: Mapping[str, Any], context: Any) -> str:
        params = {"mode": "form", "message": "Name?", "requestedSchema": _NAME}
        question = ClientRequest("elicitation/create", params)
        answers = await context.ask({"first": question, "second": question})
        return ", ".join(answers[key]["content"]["name"] for key in ("first", "second"))

    label = {"seconds": {"type": "number"}, "label": {"type": "string"}}
    return (
        Tool("greet", "Greets at once.", _greet, _NAME),
        Tool(
            "slow_compute",
            "Takes its time.",
            slow_compute,
            {"type": "object", "properties": label},
            task_support=OPTIONAL,
        ),
        Tool("failing_job", "Fails.", failing_job, task_support=REQUIRED),
        Tool("protocol_error_job", "Breaks.", protocol_error_job, task_support=REQUIRED),
        Tool(
            "confirm_delete",
            "Asks before it deletes.",
            _confirm_delete,
            {"type": "object", "properties": {"filename": {"type": "string"}}},
            task_support=OPTIONAL,
        ),
        Tool("multi_input", "Asks two things at once.", multi_input, task_support=OPTIONAL),
        Tool(
            "test_tool_with_task",
            "Asks, then starts a task.",
            _ask_first,
            task_support=TaskSupport(required=True, at_once=False, poll_interval=0.1),
        ),
    )


def _greet(arguments: Mapping[str, Any], context: Any) -> str:
    return f"Hello, {arguments['name']}!"


async def _confirm_delete(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit(f"Delete {arguments.get('filename')}?", _CONFIRMATION)
    return "Deleted." if answer["action"] == "accept" else "Kept."


async def _ask_first(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit("What is your name?", _NAME, name="user_name")
    context.start_task("greeting")
    return f"Hello, {answer['content']['name']}!"
