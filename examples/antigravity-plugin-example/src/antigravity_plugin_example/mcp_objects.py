"""Two MCP tools, one of which runs as a task, and an MCP prompt."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater
from zope.interface import implementer

from antigravity.interfaces.mcp import IMcpContext, IMcpPrompt, IMcpTaskTool, IMcpTool
from antigravity.interfaces.mcp_values import PromptArgument, TaskSupport


@implementer(IMcpTool)
class Reverse:
    name = "reverse"
    title = "Reverse a text"
    description = "Returns a text with its characters in reverse order."
    input_schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    output_schema = None
    annotations = {"readOnlyHint": True}

    def call(self, arguments: dict[str, Any], context: IMcpContext) -> str:
        text: str = arguments["text"]
        return text[::-1]


@implementer(IMcpTaskTool)
class Countdown:
    name = "countdown"
    title = "Count down"
    description = "Counts down from a number, one step a second."
    input_schema = {
        "type": "object",
        "properties": {"steps": {"type": "integer", "minimum": 1, "maximum": 60}},
        "required": ["steps"],
    }
    output_schema = None
    annotations = {"readOnlyHint": True}
    task_support = TaskSupport()

    def __init__(self, pause: float = 1.0) -> None:
        self.pause = pause

    async def call(self, arguments: dict[str, Any], context: IMcpContext) -> str:
        from twisted.internet import reactor  # only now, so that the gateway can choose one

        clock: Any = reactor
        steps: int = arguments["steps"]
        for step in range(steps):
            context.progress(step, steps, f"{steps - step}")
            await deferLater(clock, self.pause)
        return "Lift-off!"


@implementer(IMcpPrompt)
class Limerick:
    name = "limerick"
    title = "Write a limerick"
    description = "Asks for a limerick about a subject."
    arguments = (PromptArgument("about", "The subject.", required=True),)

    def get(self, arguments: dict[str, str], context: IMcpContext) -> str:
        return f"Write a limerick about {arguments['about']}."
