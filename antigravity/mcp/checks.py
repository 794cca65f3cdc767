"""Checks that clients can use a tool before it is offered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from antigravity.interfaces.mcp import IMcpTaskTool
from antigravity.interfaces.mcp_values import Json, TaskSupport
from antigravity.mcp.catalog import check_name
from antigravity.mcp.protocol.headers import mirrored
from antigravity.mcp.protocol.schemas import Validator

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MIRRORED_TYPES: Final = ("string", "integer", "boolean")


def check_tool(tool: Any) -> None:
    """Check a tool's name and schemas.

    :raises ValueError: if clients could not call it.
    """
    check_name(tool.name)
    if IMcpTaskTool.providedBy(tool) and not isinstance(tool.task_support, TaskSupport | None):
        raise ValueError(f"the task_support of {tool.name} must be a TaskSupport or None")
    schema = tool.input_schema
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise ValueError(f"the input schema of {tool.name} must have type object")
    _check_schema(tool.name, schema)
    _check_mirrored(tool.name, schema)
    if tool.output_schema is not None:
        _check_schema(tool.name, tool.output_schema)


def check_relayed(tool: Any) -> None:
    """Check a tool of another server, which validates its own schemas.

    :raises ValueError: if clients could not call it.
    """
    check_name(tool.name)
    if not isinstance(tool.input_schema, Mapping) or tool.input_schema.get("type") != "object":
        raise ValueError(f"the input schema of {tool.name} must have type object")
    _check_mirrored(tool.name, tool.input_schema)


def _check_schema(name: str, schema: Json) -> None:
    try:
        Validator(schema)
    except ValueError as error:
        raise ValueError(f"the tool {name}: {error}") from None


def _check_mirrored(name: str, schema: Json) -> None:
    """Check the names in ``x-mcp-header``: clients ignore tools with invalid ones."""
    seen: set[str] = set()
    for header, path in mirrored(schema):
        inner: Any = schema
        for key in path:
            inner = inner["properties"][key]
        if not _TOKEN.fullmatch(header) or header.lower() in seen:
            raise ValueError(
                f"the tool {name}: x-mcp-header {header!r} is not a valid or unique header name"
            )
        if inner.get("type") not in _MIRRORED_TYPES:
            raise ValueError(
                f"the tool {name}: x-mcp-header needs one of the types {', '.join(_MIRRORED_TYPES)}"
            )
        seen.add(header.lower())
