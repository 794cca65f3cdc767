"""JSON Schemas, walked as schemas; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

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


def wrong_type(schema: Any) -> str | None:
    """Return the first type in the schema that JSON Schema does not know, as JSON Schema."""
    for _, node in walk_schema(schema):
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in TYPES:
                return str(kind)
    return None
