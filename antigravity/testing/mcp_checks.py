"""Checks of MCP tools, prompts and resources, which are not called: a call may have effects."""

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
        yield "has no description, so models cannot know its purpose"


def check_mcp_prompt(prompt: Any) -> Problems:
    """Check a prompt."""
    for argument in prompt.arguments:
        if not isinstance(argument, PromptArgument):
            yield f"has the argument {argument!r}, which is not a PromptArgument"


def check_mcp_resource(resource: Any) -> Problems:
    """Check a resource."""
    if not urlsplit(resource.uri).scheme:
        yield "has a URI without a scheme, such as note: in note:today"
