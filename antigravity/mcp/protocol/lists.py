"""Entries of the lists of tools, prompts and resources, and their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from antigravity.interfaces.mcp import IMcpDescribed, IMcpTaskTool
from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.protocol.messages import INVALID_PARAMS
from antigravity.mcp.protocol.revisions import Revision

_PAGE: Final = 500


def tool(name: str, found: Any, revision: Revision) -> dict[str, Any]:
    """Return a tool's entry."""
    out = _entry({"name": name}, found, revision)
    out["inputSchema"] = found.input_schema
    schema = found.output_schema
    if (
        schema is not None
        and revision.structured
        and (revision.any_structure or schema.get("type") == "object")
    ):
        out["outputSchema"] = schema
    if found.annotations is not None:
        out["annotations"] = found.annotations
    if revision.tasks and IMcpTaskTool.providedBy(found) and found.task_support is not None:
        out["execution"] = {
            "taskSupport": "required" if found.task_support.required else "optional"
        }
    return out


def prompt(name: str, found: Any, revision: Revision) -> dict[str, Any]:
    """Return a prompt's entry."""
    out = _entry({"name": name}, found, revision)
    if found.arguments:
        out["arguments"] = [_argument(one, revision) for one in found.arguments]
    return out


def resource(uri: str, found: Any, revision: Revision) -> dict[str, Any]:
    """Return a resource's entry."""
    return _typed(_entry({"uri": uri, "name": found.name}, found, revision), found)


def template(uri_template: str, found: Any, revision: Revision) -> dict[str, Any]:
    """Return a resource template's entry."""
    entry = {"uriTemplate": uri_template, "name": found.name}
    return _typed(_entry(entry, found, revision), found)


def page(key: str, entries: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the page of ``entries`` that ``params`` request.

    :raises McpError: if the cursor is not valid.
    """
    cursor = params.get("cursor")
    start = 0
    if cursor is not None:
        if not (isinstance(cursor, str) and cursor.isdecimal() and len(cursor) < 10):
            raise McpError(INVALID_PARAMS, "The cursor is not valid.")
        start = int(cursor)
    out: dict[str, Any] = {key: list(entries[start : start + _PAGE])}
    if start + _PAGE < len(entries):
        out["nextCursor"] = str(start + _PAGE)
    return out


def _entry(out: dict[str, Any], found: Any, revision: Revision) -> dict[str, Any]:
    if found.title and revision.titles:
        out["title"] = found.title
    if found.description:
        out["description"] = found.description
    if IMcpDescribed.providedBy(found):
        out |= found.extra
    return out


def _typed(out: dict[str, Any], found: Any) -> dict[str, Any]:
    if found.mime_type:
        out["mimeType"] = found.mime_type
    return out


def _argument(found: Any, revision: Revision) -> dict[str, Any]:
    out: dict[str, Any] = {"name": found.name, "required": found.required}
    if found.description:
        out["description"] = found.description
    if found.title and revision.titles:
        out["title"] = found.title
    return out
