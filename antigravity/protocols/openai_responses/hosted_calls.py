"""Calls of tools that OpenAI has run, as text: models of other providers cannot read the items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.protocols.openai_responses.schema import JsonObject


def hosted_call_text(kind: str, wire: JsonObject) -> str:
    """Return what an item of this type says, empty if it has no text."""
    form = _FORMS.get(kind)
    return "" if form is None else form(wire)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _mcp_call(wire: JsonObject) -> str:
    name, label = _text(wire.get("name")), _text(wire.get("server_label"))
    called = f"Call of the tool {name} of {label}: {_text(wire.get('arguments'))}"
    error: Any = wire.get("error")
    if error:
        message = error.get("message") if isinstance(error, dict) else error
        return f"{called}\nIt failed: {_text(message) or 'no reason was given'}"
    return f"{called}\n{_text(wire.get('output'))}".rstrip()


def _program(wire: JsonObject) -> str:
    logs = [_text(each.get("logs")) for each in _objects(wire.get("outputs"))]
    output = "\n".join(filter(None, logs))
    return f"Program:\n{_text(wire.get('code'))}\nOutput:\n{output}".rstrip()


def _file_search(wire: JsonObject) -> str:
    queries = wire.get("queries")
    asked = ", ".join(map(_text, queries)) if isinstance(queries, list) else ""
    found = [
        f"- {_text(each.get('filename'))}: {_text(each.get('text'))}"
        for each in _objects(wire.get("results"))
    ]
    return "\n".join((f"File search: {asked}", *found))


_FORMS: Final[dict[str, Callable[[JsonObject], str]]] = {
    "mcp_call": _mcp_call,
    "code_interpreter_call": _program,
    "file_search_call": _file_search,
}
#: The types of items that have a text.
HOSTED_CALLS: Final = frozenset(_FORMS)
