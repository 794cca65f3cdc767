"""The headers of the stateless revisions, which repeat parts of the body."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.mcp.protocol.messages import HEADER_MISMATCH, Request

#: The prefix of the protocol's own keys in ``_meta``.
META: Final = "io.modelcontextprotocol/"
VERSION_HEADER: Final = "mcp-protocol-version"
METHOD_HEADER: Final = "mcp-method"
NAME_HEADER: Final = "mcp-name"
PARAMETER_PREFIX: Final = "mcp-param-"
#: The parameter that ``Mcp-Name`` repeats, by method.
NAMED: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}

_BEGIN, _END = "=?base64?", "?="
_VISIBLE: Final = re.compile(r"[\t\x20-\x7e]*")
_INTEGER: Final = re.compile(r"-?\d{1,30}(?:\.0{1,10})?")


def mismatch(message: str) -> McpError:
    """Return the error for headers that contradict the body."""
    return McpError(HEADER_MISMATCH, f"Header mismatch: {message}")


def check_headers(request: Request, headers: Mapping[str, str]) -> None:
    """Compare the headers that every request needs with its body.

    :raises McpError: if one is missing or differs.
    """
    _compare("Mcp-Method", headers.get(METHOD_HEADER), request.method)
    parameter = NAMED.get(request.method)
    if parameter is not None:
        given = headers.get(NAME_HEADER)
        if given is None and request.method.startswith("tasks/"):
            return  # clients must send it, but some only know the core protocol's names
        _compare(
            "Mcp-Name", None if given is None else decode(given), request.params.get(parameter)
        )


def check_parameters(
    schema: Json, arguments: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    """Compare the headers that repeat arguments of a tool with the arguments.

    :raises McpError: if one is missing, malformed or differs.
    """
    for name, path in mirrored(schema):
        value: Any = arguments
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        given = headers.get(PARAMETER_PREFIX + name.lower())
        if value is None:
            if given is not None:
                raise mismatch(f"Mcp-Param-{name} was sent without an argument.")
        elif given is None:
            raise mismatch(f"Mcp-Param-{name} is missing.")
        elif not _same(decode(given), value):
            raise mismatch(f"Mcp-Param-{name} differs from the body.")


def mirrored(schema: Json) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names of headers that repeat arguments, with the path of each argument."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return
    for key, inner in properties.items():
        if isinstance(inner, Mapping):
            name = inner.get("x-mcp-header")
            if isinstance(name, str) and name:
                yield name, (key,)
            for deeper, path in mirrored(inner):
                yield deeper, (key, *path)


def decode(value: str) -> str:
    """Return the text in a header's value.

    :raises McpError: if it is malformed.
    """
    value = value.strip(" \t")
    if not _VISIBLE.fullmatch(value):
        raise mismatch("a value contains characters that headers cannot contain.")
    if not (value.startswith(_BEGIN) and value.endswith(_END)):
        return value
    try:
        return base64.b64decode(value[len(_BEGIN) : -len(_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise mismatch("a value is not Base64 of UTF-8.") from None


def encode(value: str) -> str:
    """Return ``value`` as a header's value."""
    plain = _VISIBLE.fullmatch(value) and value == value.strip(" \t")
    if plain and not (value.startswith(_BEGIN) and value.endswith(_END)):
        return value
    return f"{_BEGIN}{base64.b64encode(value.encode()).decode()}{_END}"


def parameter_headers(schema: Json, arguments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers that repeat arguments of a tool."""
    found = []
    for name, path in mirrored(schema):
        value: Any = arguments
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            found.append((PARAMETER_PREFIX + name.lower(), "true" if value else "false"))
        elif isinstance(value, (str, int)):
            found.append((PARAMETER_PREFIX + name.lower(), encode(str(value))))
        elif isinstance(value, float) and value.is_integer():
            found.append((PARAMETER_PREFIX + name.lower(), str(int(value))))
    return tuple(found)


def _compare(name: str, given: str | None, expected: object) -> None:
    if given is None:
        raise mismatch(f"{name} is missing.")
    if given.strip(" \t") != expected:
        raise mismatch(f"{name} differs from the body.")


def _same(given: str, value: object) -> bool:
    if isinstance(value, bool):
        return given == ("true" if value else "false")
    if isinstance(value, int):
        return bool(_INTEGER.fullmatch(given)) and int(given.partition(".")[0]) == value
    if isinstance(value, float):
        return value.is_integer() and _same(given, int(value))
    return given == value
