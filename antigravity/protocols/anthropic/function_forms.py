"""Functions in the place of Anthropic's tools that the client runs, for models of others.

Their declarations have only a type and a name; Claude knows the rest.  Calls and results have the
form of any tool's, so that nothing else changes.

Sources: https://platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool, text-editor-tool
and memory-tool
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from antigravity.interfaces.server_traits import FunctionForms
from antigravity.ir.request import Request
from antigravity.ir.tools import FunctionTool, HostedTool, Tool

_STRING: Final = {"type": "string"}
_LINE: Final = {"type": "integer", "description": "The line after which the text is inserted."}
_RANGE: Final = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "For view: the first and the last line; -1 is the end of the file.",
}


def _schema(required: str, commands: str = "", **properties: Any) -> dict[str, Any]:
    command = {"command": {**_STRING, "enum": commands.split()}} if commands else {}
    schema = {"type": "object", "properties": {**command, **properties}}
    return {**schema, "required": required.split()} if required else schema


_BASH: Final = (
    (
        "Runs a command in a bash session that persists between calls, and returns its output. "
        "`restart` starts a new session instead."
    ),
    _schema("", command=_STRING, restart={"type": "boolean"}),
)
_FILES: Final = (
    "view shows a file with numbered lines, or lists a directory. create writes a file with "
    "`file_text`. str_replace replaces `old_str`, which must occur exactly once, by `new_str`. "
)
_EDITOR: Final = (
    (
        f"Views and edits files. {_FILES}insert puts `new_str` after the line `insert_line`; 0 is "
        "the beginning."
    ),
    _schema(
        "command path",
        "view create str_replace insert",
        path=_STRING,
        file_text=_STRING,
        old_str=_STRING,
        new_str=_STRING,
        insert_line=_LINE,
        view_range=_RANGE,
    ),
)
_MEMORY: Final = (
    (
        "Keeps notes across conversations, in files below /memories. View /memories before you "
        f"begin. {_FILES}insert puts `insert_text` after the line `insert_line`. delete removes a "
        "file or directory. rename moves `old_path` to `new_path`."
    ),
    _schema(
        "command",
        "view create str_replace insert delete rename",
        path=_STRING,
        file_text=_STRING,
        old_str=_STRING,
        new_str=_STRING,
        insert_line=_LINE,
        insert_text=_STRING,
        old_path=_STRING,
        new_path=_STRING,
        view_range=_RANGE,
    ),
)
#: Description and schema, by the beginning of the type.
_FORMS: Final = {"bash_": _BASH, "text_editor_": _EDITOR, "memory_": _MEMORY}


def as_functions(request: Request) -> FunctionForms | None:
    """Return the request with functions for such tools, ``None`` if it has none."""
    if not any(isinstance(tool, HostedTool) for tool in request.tools):
        return None
    tools = tuple(map(_as_function, request.tools))
    return None if tools == request.tools else FunctionForms(replace(request, tools=tools))


def _as_function(tool: Tool) -> Tool:
    if not isinstance(tool, HostedTool) or tool.protocol != "anthropic":
        return tool
    name = tool.wire.get("name")
    for start, (description, schema) in _FORMS.items():
        if tool.kind.startswith(start) and isinstance(name, str) and name:
            return FunctionTool(name, description, schema)
    return tool
