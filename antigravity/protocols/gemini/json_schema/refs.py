"""Resolves ``$ref`` inside one schema document."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from antigravity.protocols.schema_positions import JsonSchema


def _is_index(segment: str, node: list[Any]) -> bool:
    return segment.isdecimal() and len(segment) < 10 and int(segment) < len(node)


class References:
    """The targets of the references in one document.

    A pointer is resolved from the root of the document.  If that fails (a schema that was
    pasted into another keeps pointers to its own root), the last segment is looked up in the
    definitions around the reference, innermost first.
    """

    def __init__(self, root: Any) -> None:
        self._root = root

    def resolve(self, pointer: str, scopes: tuple[JsonSchema, ...]) -> Any:
        """Return the schema that ``pointer`` names, or ``None``."""
        found = self._follow(pointer)
        if found is not None:
            return found
        name = _unescape(pointer.rpartition("/")[2])
        for scope in reversed(scopes):
            if name in scope:
                return scope[name]
        return None

    def _follow(self, pointer: str) -> Any:
        if pointer == "#":
            return self._root
        if not pointer.startswith("#/"):
            return None
        node = self._root
        for segment in map(_unescape, pointer[2:].split("/")):
            if isinstance(node, dict):
                node = node.get(segment)
            elif isinstance(node, list) and _is_index(segment, node):
                node = node[int(segment)]
            else:
                return None
        return node if isinstance(node, dict | bool) else None


def name_of(pointer: str) -> str:
    """Return the last segment of a pointer, for descriptions."""
    return _unescape(pointer.rpartition("/")[2]).removeprefix("#")


def definitions(schema: JsonSchema) -> JsonSchema | None:
    """Return the definitions in ``schema``, if it has any."""
    found: JsonSchema = {}
    for key in ("definitions", "$defs"):
        value = schema.get(key)
        if isinstance(value, dict):
            found |= value
    return found or None


def _unescape(segment: str) -> str:
    """Undo the escapes of a JSON pointer in a URL fragment (RFC 6901, section 6)."""
    return unquote(segment).replace("~1", "/").replace("~0", "~")
