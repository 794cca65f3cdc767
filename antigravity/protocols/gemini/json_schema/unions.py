"""Chooses one schema of a union."""

from __future__ import annotations

from typing import Any, Final

from antigravity.protocols.schema_positions import JsonSchema

_SCORES: Final = {"object": 3, "array": 2, "null": 0}
_ALLOWED_BESIDE_CONST: Final = frozenset({"const", "enum", "type", "description", "title"})


def type_of(schema: JsonSchema) -> str | None:
    """Return the first type that ``schema`` declares or implies, or ``None``."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if isinstance(name, str) and name != "null"), None)
    if isinstance(kind, str):
        return kind.lower()
    if isinstance(schema.get("properties"), dict):
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    if "enum" in schema or "const" in schema:
        return "string"
    return None


def is_null(schema: Any) -> bool:
    """Return whether only ``null`` matches ``schema``."""
    if not isinstance(schema, dict):
        return False
    if schema.get("type") in ("null", "NULL", ["null"]):
        return True
    if "const" in schema:
        return schema["const"] is None
    return schema.get("enum") == [None]


def constants(branches: list[JsonSchema]) -> list[Any] | None:
    """Return all values if every branch is a list of constants, else ``None``."""
    values: list[Any] = []
    for branch in branches:
        if not branch.keys() <= _ALLOWED_BESIDE_CONST:
            return None
        if "const" in branch:
            values.append(branch["const"])
        elif isinstance(branch.get("enum"), list):
            values += branch["enum"]
        else:
            return None
    return values or None


def only_constrains(branch: JsonSchema) -> bool:
    """Return whether a branch only constrains (``{"required": ["a"]}``) and names no type."""
    return type_of(branch) is None and not branch.keys() & {
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "properties",
    }


def most_specific(branches: list[JsonSchema]) -> JsonSchema:
    """Return the most specific branch: object before array before scalar; first of equals."""
    return max(branches, key=lambda branch: _SCORES.get(type_of(branch) or "", 1))
