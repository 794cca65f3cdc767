"""JSON Schemas, walked as schemas; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.simulator.strict.shapes import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    MismatchError,
    conform,
)

TYPES: Final = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))


def walk_schema(
    schema: Any, context: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every sub-schema and where it is; names of properties are not taken for keywords."""
    if not isinstance(schema, dict):
        return
    yield context, schema
    for keyword in ("properties", "$defs", "definitions"):
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            for name, child in inner.items():
                yield from walk_schema(child, (*context, keyword, name))
    for keyword in ("items", "additionalProperties", "not"):
        yield from walk_schema(schema.get(keyword), (*context, keyword))
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inner = schema.get(keyword)
        if isinstance(inner, list):
            for index, child in enumerate(inner):
                yield from walk_schema(child, (*context, keyword, str(index)))


_SCHEMA_WORDS: Final[dict[str, Any]] = {
    "$defs": OBJECT,
    "$ref": TEXT,
    "additionalProperties": (BOOLEAN, OBJECT),
    "allOf": [OBJECT],
    "anyOf": [OBJECT],
    "definitions": OBJECT,
    "description": TEXT,
    "enum": ARRAY,
    "exclusiveMaximum": NUMBER,
    "exclusiveMinimum": NUMBER,
    "format": TEXT,
    "items": (BOOLEAN, OBJECT),
    "maxItems": INTEGER,
    "maxLength": INTEGER,
    "maximum": NUMBER,
    "minItems": INTEGER,
    "minLength": INTEGER,
    "minimum": NUMBER,
    "oneOf": [OBJECT],
    "prefixItems": [OBJECT],
    "properties": OBJECT,
    "required": [TEXT],
    "type": (TEXT, [TEXT]),
}
#: Keywords whose members are schemas, and those that must not be empty.
_MAPS: Final = ("properties", "$defs", "definitions")
_NOT_EMPTY: Final = ("allOf", "anyOf", "oneOf", "enum", "type")


def malformed(schema: Any) -> str | None:
    """Return what in a schema is no JSON Schema, by its path; ``None`` if all is well.

    Types that are texts are not looked at, see :func:`wrong_type`.
    """
    for context, node in walk_schema(schema):
        problem = _malformed_node(node)
        if problem is not None:
            return "/".join((*context, problem))
    return None


def _malformed_node(node: dict[str, Any]) -> str | None:
    try:
        conform(node, _SCHEMA_WORDS)
    except MismatchError as error:
        return "/".join(map(str, error.path))
    for keyword in _MAPS:
        for name, child in (node.get(keyword) or {}).items():
            if not isinstance(child, dict | bool):
                return f"{keyword}/{name}"
    for keyword, value in node.items():
        if keyword in _SCHEMA_WORDS and (value is None or (keyword in _NOT_EMPTY and value == [])):
            return keyword
    return None


def wrong_type(schema: Any, *, any_case: bool = False) -> str | None:
    """Return the first type in the schema that JSON Schema does not know.

    :param any_case: whether ``OBJECT`` is as good as ``object``.
    """
    for _, node in walk_schema(schema):
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            name = kind.lower() if any_case and isinstance(kind, str) else kind
            if not isinstance(name, str) or name not in TYPES:
                return str(kind)
    return None
