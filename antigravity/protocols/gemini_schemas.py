"""Converts Gemini's ``Schema`` message to plain JSON Schema, which other protocols use."""

from __future__ import annotations

from typing import Any, Final

from antigravity.protocols.schema_positions import JsonSchema, transform

#: The values of the enum ``Type``, by number and by name.
_TYPES: Final = ("", "string", "number", "integer", "boolean", "array", "object", "null")
_TYPE_NAMES: Final = {name.upper(): name for name in _TYPES if name}

#: Other spellings of keywords: snake case, and names without a dollar sign.
_ALIASES: Final = {
    "any_of": "anyOf",
    "one_of": "oneOf",
    "all_of": "allOf",
    "additional_properties": "additionalProperties",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "prefix_items": "prefixItems",
    "type_": "type",
    "format_": "format",
    "defs": "$defs",
    "ref": "$ref",
}
#: 64-bit integers, which the JSON form of protocol buffers writes as strings.
_COUNTS: Final = frozenset(
    {"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"}
)


def from_gemini(schema: JsonSchema) -> JsonSchema:
    """Return a Gemini ``Schema`` as JSON Schema."""
    return transform(schema, _plain, _ALIASES)


def lower_types(schema: JsonSchema) -> JsonSchema:
    """Return a JSON Schema whose types are in lower case, otherwise as it is."""
    return transform(schema, _lower)


def _type_name(value: Any) -> Any:
    """Return the name of a type in JSON Schema, or ``None`` if it is unspecified."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _TYPES[value] or None if 0 <= value < len(_TYPES) else None
    if isinstance(value, str):
        if value.upper() == "TYPE_UNSPECIFIED":
            return None
        return _TYPE_NAMES.get(value.upper(), value)
    if isinstance(value, list):
        return [name for name in map(_type_name, value) if isinstance(name, str)] or None
    return value


def _lower(node: JsonSchema) -> JsonSchema:
    """Lower the type of one schema."""
    kind = node.get("type")
    if isinstance(kind, str | list):
        named = _type_name(kind)
        if named is None:
            del node["type"]
        else:
            node["type"] = named
    return node


def _plain(node: JsonSchema) -> JsonSchema:
    """Return one schema without Gemini's own keywords."""
    if "type" in node and not isinstance(node["type"], dict):
        named = _type_name(node["type"])
        if named is None:
            del node["type"]
        else:
            node["type"] = named
    for key in _COUNTS & node.keys():
        value = node[key]
        if isinstance(value, str) and value.isdecimal() and len(value) < 20:
            node[key] = int(value)
    if "example" in node:
        node.setdefault("examples", [node.pop("example")])
    if isinstance(node.get("nullable"), bool) and node.pop("nullable"):
        _allow_null(node)
    ordering = node.get("propertyOrdering")
    properties = node.get("properties")
    if isinstance(ordering, list):
        del node["propertyOrdering"]
        if isinstance(properties, dict):
            first = [name for name in ordering if isinstance(name, str) and name in properties]
            node["properties"] = {name: properties[name] for name in (*first, *properties)}
    return node


def _allow_null(node: JsonSchema) -> None:
    """Allow ``null`` in the way of JSON Schema."""
    kind = node.get("type")
    if isinstance(kind, str) and kind != "null":
        node["type"] = [kind, "null"]
    elif isinstance(kind, list) and "null" not in kind:
        node["type"] = [*kind, "null"]
    values = node.get("enum")
    if isinstance(values, list) and None not in values:
        node["enum"] = [*values, None]
    branches = node.get("anyOf")
    if kind is None and isinstance(branches, list):
        node["anyOf"] = [*branches, {"type": "null"}]
