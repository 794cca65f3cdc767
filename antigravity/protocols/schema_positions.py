"""The keywords that hold sub-schemas, and a walk over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

JsonSchema = dict[str, Any]

#: Keywords whose value is a map from names to schemas.
MAPS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
#: Keywords whose value is one schema.
SINGLES: Final = frozenset(
    {
        "items",
        "additionalItems",
        "additionalProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
        "propertyNames",
        "contains",
        "not",
        "if",
        "then",
        "else",
    }
)
#: Keywords whose value is a list of schemas; ``items`` can be one too.
LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
#: Keywords whose value can be an object.
OBJECT_VALUED: Final = MAPS | SINGLES | {"dependentRequired", "dependencies", "default", "const"}

#: Deeper schemas than this are cut; real ones have fewer than twenty levels.
MAX_DEPTH: Final = 64


def transform(
    schema: JsonSchema,
    change: Callable[[JsonSchema], JsonSchema],
    aliases: Mapping[str, str] | None = None,
    depth: int = 0,
) -> JsonSchema:
    """Return ``schema`` with ``change`` applied to it and to every schema inside it.

    ``aliases`` are other spellings of keywords; keys that are not keywords stay unchanged.
    """
    if depth > MAX_DEPTH:
        return {}
    result: JsonSchema = {}
    for spelling, value in schema.items():
        key = aliases.get(spelling, spelling) if aliases else spelling
        result[key] = _below(key, value, change, aliases, depth + 1)
    return change(result)


def _below(
    key: str,
    value: Any,
    change: Callable[[JsonSchema], JsonSchema],
    aliases: Mapping[str, str] | None,
    depth: int,
) -> Any:
    """Return a keyword's value, transformed if it holds schemas."""
    if isinstance(value, dict):
        if key in MAPS:
            return {
                name: transform(child, change, aliases, depth) if isinstance(child, dict) else child
                for name, child in value.items()
            }
        if key in SINGLES:
            return transform(value, change, aliases, depth)
    elif isinstance(value, list) and key in LISTS:
        return [
            transform(child, change, aliases, depth) if isinstance(child, dict) else child
            for child in value
        ]
    return value
