"""Checks of JSON Schemas; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.simulator.validation.schema import array, optional, read_value, struct

TYPES: Final = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))


def walk_schema(
    schema: Any, context: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every sub-schema with its path."""
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


_OBJECT = dict[str, Any]
_SCHEMAS: Final = array(_OBJECT, min_length=1)
_KEYWORDS: Final = {
    **optional(dict[str, _OBJECT | bool], "$defs definitions properties"),
    **optional(str, "$ref description format"),
    **optional(bool | _OBJECT, "additionalProperties items"),
    **optional(_SCHEMAS, "allOf anyOf oneOf"),
    **optional(float, "exclusiveMaximum exclusiveMinimum maximum minimum"),
    **optional(int, "maxItems maxLength minItems minLength"),
    "enum": array(Any, min_length=1) | None,
    "prefixItems": list[_OBJECT] | None,
    "required": list[str] | None,
    "type": str | array(str, min_length=1) | None,
}
_NODE: Final = struct(_KEYWORDS)


def find_malformed(schema: Any) -> str | None:
    """Return the path of the first malformed keyword in a schema, or ``None``.

    Names of types are not checked, see :func:`find_unknown_type`.
    """
    for context, node in walk_schema(schema):
        problem = _malformed_node(node)
        if problem is not None:
            return "/".join((*context, problem))
    return None


def _malformed_node(node: dict[str, Any]) -> str | None:
    _, problems = read_value(node, _NODE)
    if problems:
        return "/".join(map(str, problems[0].path))
    return next((name for name in node if name in _KEYWORDS and node[name] is None), None)


def find_unknown_type(schema: Any, *, any_case: bool = False) -> str | None:
    """Return the first unknown type in a schema, or ``None``.

    :param any_case: whether the case of letters is ignored.
    """
    for _, node in walk_schema(schema):
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            name = kind.lower() if any_case and isinstance(kind, str) else kind
            if not isinstance(name, str) or name not in TYPES:
                return str(kind)
    return None
