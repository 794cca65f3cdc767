"""An MCP tool and an MCP prompt."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from antigravity.interfaces.mcp import IMcpContext, IMcpPrompt, IMcpTool
from antigravity.interfaces.mcp_values import PromptArgument


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


@implementer(IMcpPrompt)
class Limerick:
    name = "limerick"
    title = "Write a limerick"
    description = "Asks for a limerick about a subject."
    arguments = (PromptArgument("about", "The subject.", required=True),)

    def get(self, arguments: dict[str, str], context: IMcpContext) -> str:
        return f"Write a limerick about {arguments['about']}."
