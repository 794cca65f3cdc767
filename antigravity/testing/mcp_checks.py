"""What is checked of things for MCP clients.  None of them is called: it may do something."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from antigravity.interfaces.mcp_values import PromptArgument
from antigravity.testing.attempts import Problems


def check_mcp_tool(tool: Any) -> Problems:
    """Check a tool."""
    if tool.input_schema.get("type") != "object":
        yield 'has an input_schema whose type is not "object"'
    if not tool.description:
        yield "has no description, so no model knows what it is for"


def check_mcp_prompt(prompt: Any) -> Problems:
    """Check a prompt."""
    for argument in prompt.arguments:
        if not isinstance(argument, PromptArgument):
            yield f"has the argument {argument!r}, which is no PromptArgument"


def check_mcp_resource(resource: Any) -> Problems:
    """Check a resource."""
    if not urlsplit(resource.uri).scheme:
        yield "has an address without a scheme, such as the note: of note:today"
