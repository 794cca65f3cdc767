"""Fit a JSON Schema to what structured output takes; tools take any schema.

Objects have to be closed, and limits of numbers, lengths and counts are refused.  A limit that
is taken away is told in the description, so that the model can keep to it all the same.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

JsonObject = dict[str, Any]

#: Limits that are refused.  ``minItems`` is taken as 0 or 1.
_LIMITS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties",
)  # fmt: skip
_NAMED: Final = ("properties", "$defs", "definitions")  # what holds schemas by name
_LISTED: Final = ("anyOf", "allOf", "prefixItems")
_MAX_DEPTH: Final = 100


def fit_schema(schema: JsonObject) -> tuple[JsonObject, frozenset[str]]:
    """Return the schema as it is taken, and the keywords that it lost."""
    lost: set[str] = set()
    return _fit(schema, lost, 0), frozenset(lost)


def _fit(schema: Any, lost: set[str], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    fitted: JsonObject = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in _LIMITS and not (name == "minItems" and value in (0, 1)):
            told.append(f"{name}: {msgspec.json.encode(value).decode()}")
            lost.add(name)
        elif name in _NAMED and isinstance(value, dict):
            fitted[name] = {key: _fit(inner, lost, depth + 1) for key, inner in value.items()}
        elif name in _LISTED and isinstance(value, list):
            fitted[name] = [_fit(inner, lost, depth + 1) for inner in value]
        elif name == "oneOf" and isinstance(value, list) and "anyOf" not in schema:
            fitted["anyOf"] = [_fit(inner, lost, depth + 1) for inner in value]
        elif name == "items":
            fitted[name] = _fit(value, lost, depth + 1)
        else:
            fitted[name] = value
    if _is_object(schema):
        if schema.get("additionalProperties") not in (None, True, False):
            lost.add("additionalProperties")
        fitted["additionalProperties"] = False
    if told:
        said = schema.get("description")
        fitted["description"] = " ".join([*([said] if said else []), f"[{'; '.join(told)}]"])
    return fitted


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return "object" in kind if isinstance(kind, list) else kind == "object"
