"""The keywords that Gemini's old ``parameters`` and ``responseSchema`` accept."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.protocols.schema_positions import OBJECT_VALUED, JsonSchema

ALLOWED: Final = (
    "type",
    "title",
    "description",
    "nullable",
    "enum",
    "properties",
    "required",
    "items",
)

_TYPE_NAMES: Final = {
    "string": "string",
    "str": "string",
    "text": "string",
    "number": "number",
    "float": "number",
    "double": "number",
    "integer": "integer",
    "int": "integer",
    "boolean": "boolean",
    "bool": "boolean",
    "array": "array",
    "list": "array",
    "tuple": "array",
    "object": "object",
    "dict": "object",
    "map": "object",
}


def known_type(name: Any) -> str | None:
    """Return a type's name as Gemini knows it, or ``None``."""
    return _TYPE_NAMES.get(name.lower()) if isinstance(name, str) else None


def as_enum(values: list[Any]) -> list[str]:
    """Return enum values as the distinct, non-empty strings that Gemini requires."""
    found: dict[str, None] = {}
    for value in values:
        if isinstance(value, str):
            text = value
        elif isinstance(value, bool | int | float):
            text = msgspec.json.encode(value).decode()
        else:
            continue
        if text:
            found[text] = None
    return list(found)


def is_bare_map(schema: JsonSchema) -> bool:
    """Return whether this is a map of properties in place of a schema."""
    return bool(schema) and all(
        isinstance(value, dict) and key not in OBJECT_VALUED for key, value in schema.items()
    )
