"""The tools that the client runs and that have types of their own, and their forms as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.protocols.openai_responses.schema import JsonObject, without_nulls

_STRING: Final = {"type": "string"}
_STRINGS: Final = {"type": "array", "items": _STRING}
_INTEGER: Final = {"type": "integer"}

_PATCH: Final = """\
Creates, changes or deletes one file. `path` is relative to the root of the workspace.
The `diff` of create_file is the whole file, each line with + before it.
The `diff` of update_file consists of sections. Each begins with a line @@, after which a line of \
the file can stand that is above the section, such as the head of a function. The lines of a \
section begin with a space (unchanged, about three before and after each change), - (removed) or \
+ (added). There are no line numbers.
delete_file has no `diff`."""
_PATCH_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": _STRING,
        "diff": _STRING,
    },
    "required": ["type", "path"],
}
_SHELL: Final = "Runs shell commands on the user's computer, and returns the output of each."
_SHELL_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "commands": {**_STRINGS, "description": "Commands for the shell, run in order."},
        "timeout_ms": {**_INTEGER, "description": "The limit for all commands, in milliseconds."},
        "max_output_length": {**_INTEGER, "description": "The most characters of each output."},
    },
    "required": ["commands"],
}
_LOCAL: Final = "Runs one command on the user's computer, and returns its output."
_LOCAL_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "command": {**_STRINGS, "description": "The program and its arguments."},
        "working_directory": _STRING,
        "env": {"type": "object", "description": "Environment variables, as strings."},
        "timeout_ms": {**_INTEGER, "description": "The limit in milliseconds."},
    },
    "required": ["command"],
}
_SEARCH: Final = "Searches for more tools. Tools that were found can be called afterwards."
_SEARCH_SCHEMA: Final = {
    "type": "object",
    "properties": {"query": {**_STRING, "description": "What the tool should do."}},
    "required": ["query"],
}


class ToolForm(Struct, frozen=True, eq=False):
    """A type of tool, with its two types of items, and its form as a function.

    ``declare`` returns description and schema, given the declaration.  ``read`` returns the
    arguments of a call's item, ``write`` the members of an item with such arguments, whatever the
    model has written.  ``result_text`` returns what the item of a result says.
    """

    kind: str
    call: str
    result: str
    declare: Callable[[JsonObject], tuple[str, JsonObject]]
    read: Callable[[JsonObject], JsonObject]
    write: Callable[[object], JsonObject]
    result_text: Callable[[JsonObject], str]


def is_hosted(wire: JsonObject) -> bool:
    """Return whether OpenAI runs the tool of a declaration, not the client."""
    if wire.get("type") == "tool_search":
        return wire.get("execution") != "client"
    environment = wire.get("environment")
    return isinstance(environment, dict) and environment.get("type", "local") != "local"


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _strings(value: object) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


# -- apply_patch --------------------------------------------------------------------------------


def _patch_operation(value: object) -> JsonObject:
    given = value if isinstance(value, dict) else {"diff": value}
    kind, path = given.get("type"), _text(given.get("path"))
    if kind == "delete_file":
        return {"operation": {"type": kind, "path": path}}
    kind = kind if kind == "create_file" else "update_file"
    return {"operation": {"type": kind, "path": path, "diff": _text(given.get("diff"))}}


# -- shell --------------------------------------------------------------------------------------


def _shell_action(value: object) -> JsonObject:
    given = value if isinstance(value, dict) else {"commands": value}
    return {
        "action": {
            "commands": _strings(given.get("commands")),
            "timeout_ms": _number(given.get("timeout_ms")),
            "max_output_length": _number(given.get("max_output_length")),
        }
    }


def _local_action(value: object) -> JsonObject:
    given = value if isinstance(value, dict) else {"command": value}
    command, variables = given.get("command"), _object(given.get("env"))
    whole = command if isinstance(command, list) else ["bash", "-lc", command]
    folder = given.get("working_directory")
    action = {
        "type": "exec",
        "command": _strings(whole),
        "env": {name: _text(each) for name, each in variables.items()},
        "timeout_ms": _number(given.get("timeout_ms")),
        "working_directory": folder if isinstance(folder, str) else None,
    }
    return {"action": without_nulls(action)}


def _action_arguments(wire: JsonObject) -> JsonObject:
    action = _object(wire.get("action"))
    return {name: each for name, each in without_nulls(action).items() if name != "type" and each}


# -- tool_search --------------------------------------------------------------------------------


def _declare_search(wire: JsonObject) -> tuple[str, JsonObject]:
    description, schema = wire.get("description"), wire.get("parameters")
    return (
        description if isinstance(description, str) and description else _SEARCH,
        schema if isinstance(schema, dict) and schema else _SEARCH_SCHEMA,
    )


def _search_arguments(wire: JsonObject) -> JsonObject:
    arguments = wire.get("arguments")
    if isinstance(arguments, str):
        return {"query": arguments}
    return _object(arguments)


def _write_search(value: object) -> JsonObject:
    arguments = value if isinstance(value, dict) else {"query": _text(value)}
    return {"execution": "client", "arguments": arguments}


def _found_names(wire: JsonObject) -> str:
    """Return the names of the tools that a search has found."""
    names: list[str] = []
    listed: Any = wire.get("tools")
    for tool in listed if isinstance(listed, list) else ():
        given = _object(tool)
        inner = given.get("tools")
        space = f"{_text(given.get('name'))}__" if isinstance(inner, list) else ""
        for each in inner if isinstance(inner, list) else (tool,):
            names.append(f"{space}{_text(_object(each).get('name') or _object(each).get('type'))}")
    if not names:
        return "No tool was found."
    return f"These tools can be called now: {', '.join(names)}"


#: By type of the declaration.
FORMS: Final = {
    form.kind: form
    for form in (
        ToolForm(
            "apply_patch",
            "apply_patch_call",
            "apply_patch_call_output",
            lambda _: (_PATCH, _PATCH_SCHEMA),
            lambda wire: _object(wire.get("operation")),
            _patch_operation,
            lambda wire: _text(wire.get("output")),
        ),
        ToolForm(
            "shell",
            "shell_call",
            "shell_call_output",
            lambda _: (_SHELL, _SHELL_SCHEMA),
            _action_arguments,
            _shell_action,
            lambda wire: _text(wire.get("output")),
        ),
        ToolForm(
            "local_shell",
            "local_shell_call",
            "local_shell_call_output",
            lambda _: (_LOCAL, _LOCAL_SCHEMA),
            _action_arguments,
            _local_action,
            lambda wire: _text(wire.get("output")),
        ),
        ToolForm(
            "tool_search",
            "tool_search_call",
            "tool_search_output",
            _declare_search,
            _search_arguments,
            _write_search,
            _found_names,
        ),
    )
}
SEARCH: Final = FORMS["tool_search"]
