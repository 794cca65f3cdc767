"""Parse the entries in another server's lists; entries that clients cannot use are omitted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from antigravity.interfaces.mcp_values import Json, PromptArgument, TaskSupport
from antigravity.logs import make_logger
from antigravity.mcp.catalog import SEPARATOR, check_name
from antigravity.mcp.checks import check_relayed
from antigravity.mcp.client.relayed_objects import (
    RelayedPrompt,
    RelayedResource,
    RelayedTemplate,
    RelayedTool,
    extra_of,
    text,
)
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.protocol.ui import prefixed
from antigravity.mcp.protocol.uri_templates import check_template

log = make_logger()

T = TypeVar("T")
#: The form in which a server has tasks: of the extension, or of revision 2025-11-25.
ServerTasks = Literal["extension", "session"] | None

_RELAYED: Final = TaskSupport(at_once=False)
#: Further fields of resources and templates that clients see.
_RESOURCE_FIELDS: Final = ("annotations", "size")


def pattern_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a regular expression for the names that match a pattern; ``*`` is a wildcard."""
    return re.compile("|".join(map(_expression_of, patterns)) or "(?!)")


def _expression_of(pattern: str) -> str:
    """Return a regular expression that does not try other places for what it has found.

    Otherwise the time for a name would grow with its length to the power of the wildcards.
    """
    first, *others = map(re.escape, pattern.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}"


def tools_of(
    server: RequestSender,
    entries: Sequence[Json],
    tool_names: re.Pattern[str],
    tasks: ServerTasks = None,
) -> list[RelayedTool]:
    """Return the tools in a list whose names match ``tool_names``.

    ``tasks`` says in which form the server has tasks.
    """

    def tool(entry: Json) -> RelayedTool:
        found = RelayedTool(
            server,
            text(entry, "name"),
            text(entry, "title"),
            text(entry, "description"),
            _input_schema(entry),
            _object(entry, "outputSchema"),
            _object(entry, "annotations"),
            extra_of(entry, server.name),
            *_task_support(entry, tasks),
        )
        check_relayed(found)
        check_name(f"{server.name}{SEPARATOR}{found.name}")
        return found

    chosen = [entry for entry in entries if tool_names.fullmatch(text(entry, "name"))]
    return _usable(server, "tool", chosen, tool)


def prompts_of(server: RequestSender, entries: Sequence[Json]) -> list[RelayedPrompt]:
    """Return the prompts in a list."""

    def prompt(entry: Json) -> RelayedPrompt:
        arguments = entry.get("arguments")
        return RelayedPrompt(
            server,
            _required(entry, "name"),
            text(entry, "title"),
            text(entry, "description"),
            tuple(map(_argument, arguments)) if isinstance(arguments, list) else (),
            extra_of(entry, server.name),
        )

    return _usable(server, "prompt", entries, prompt)


def resources_of(server: RequestSender, entries: Sequence[Json]) -> list[RelayedResource]:
    """Return the resources in a list."""
    return _usable(
        server,
        "resource",
        entries,
        lambda entry: RelayedResource(
            server, prefixed(server.name, _required(entry, "uri")), *_described(entry, server.name)
        ),
    )


def templates_of(server: RequestSender, entries: Sequence[Json]) -> list[RelayedTemplate]:
    """Return the resource templates in a list."""

    def template(entry: Json) -> RelayedTemplate:
        uri_template = check_template(prefixed(server.name, _required(entry, "uriTemplate")))
        return RelayedTemplate(server, uri_template, *_described(entry, server.name))

    return _usable(server, "resource template", entries, template)


def _task_support(entry: Json, tasks: ServerTasks) -> tuple[TaskSupport | None, str]:
    """Return how calls of a tool can continue as tasks.

    No tool requires that of the gateway's clients, because the gateway can wait on their behalf.
    """
    if tasks == "extension":
        return _RELAYED, ""
    execution = entry.get("execution")
    support = execution.get("taskSupport") if isinstance(execution, Mapping) else None
    if tasks == "session" and support in ("optional", "required"):
        return _RELAYED, support
    return None, ""


def _usable(
    server: RequestSender, what: str, entries: Sequence[Json], make: Callable[[Json], T]
) -> list[T]:
    found: list[T] = []
    for entry in entries:
        try:
            found.append(make(entry))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warn(
                "a {what} of the MCP server {name} is not offered: {why}",
                what=what,
                name=server.name,
                why=str(error)[:200],
            )
    return found


def _described(entry: Json, server: str) -> tuple[str, str, str, str, dict[str, Any]]:
    return (
        text(entry, "name"),
        text(entry, "title"),
        text(entry, "description"),
        text(entry, "mimeType"),
        extra_of(entry, server, _RESOURCE_FIELDS),
    )


def _argument(entry: Json) -> PromptArgument:
    return PromptArgument(
        _required(entry, "name"),
        text(entry, "description"),
        entry.get("required") is True,
        text(entry, "title"),
    )


def _required(entry: Json, key: str) -> str:
    found = text(entry, key)
    if not found:
        raise ValueError(f"it has no {key}")
    return found


def _input_schema(entry: Json) -> Any:
    """Return a tool's schema, of type object even if the server omits that."""
    found = entry.get("inputSchema")
    if found is None:
        return {"type": "object"}
    return {"type": "object", **found} if isinstance(found, Mapping) else found


def _object(entry: Json, key: str) -> Json | None:
    found = entry.get(key)
    return found if isinstance(found, dict) else None
