"""Fits JSON Schemas to structured output and strict tools; other tools accept any schema.

Objects must be closed, and limits on numbers, lengths and counts are refused.  A limit that is
removed is written into the description, so that the model can still follow it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

JsonObject = dict[str, Any]

#: Limits that are refused.  ``minItems`` can be 0 or 1.
_LIMITS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties",
)  # fmt: skip
_NAMED: Final = ("properties", "$defs", "definitions")  # keywords that hold schemas by name
_LISTED: Final = ("anyOf", "allOf", "prefixItems")
_MAX_DEPTH: Final = 100
#: Formats that are accepted; others are written into the description.
_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
#: Refused syntax of regular expressions: lookaround, references, word boundaries.
_HARD_PATTERN: Final = re.compile(r"\(\?(?!:)|\\[1-9bB]")
#: Keywords that have no equivalent.
_UNFIT: Final = frozenset(
    ("not", "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired",
     "dependentSchemas", "unevaluatedProperties", "contains")
)  # fmt: skip


def is_fit(schema: JsonObject) -> bool:
    """Return whether a schema can be fitted without a change of its meaning.

    It must not refer to itself or to other documents, and its objects must have a fixed list of
    properties.
    """
    return _is_fit(schema, schema, (), set())


def _is_fit(schema: Any, root: JsonObject, path: tuple[str, ...], fit: set[str]) -> bool:
    """Return whether a schema within ``root`` is fit.

    ``path`` holds the references and steps that led to it, ``fit`` the references known to be fit.
    """
    if not isinstance(schema, dict):
        return True
    if len(path) > _MAX_DEPTH or not _UNFIT.isdisjoint(schema):
        return False
    more = schema.get("additionalProperties")
    if isinstance(more, dict) or (more is True and not schema.get("properties")):
        return False
    reference = schema.get("$ref")
    if reference is not None:
        if not isinstance(reference, str) or reference in path:
            return False
        if reference in fit:
            return True
        found = _definition(reference, root)
        if found is None or not _is_fit(found, root, (*path, reference), fit):
            return False
        fit.add(reference)
        return True
    inner = [schema.get("items")]
    if isinstance(schema.get("properties"), dict):
        inner += schema["properties"].values()
    for name in (*_LISTED, "oneOf"):
        if isinstance(schema.get(name), list):
            inner += schema[name]
    return all(_is_fit(each, root, (*path, ""), fit) for each in inner)


def _definition(reference: str, root: JsonObject) -> Any:
    """Return the schema that a reference within ``root`` names, ``None`` if there is none."""
    start, _, name = reference.rpartition("/")
    if start not in ("#/$defs", "#/definitions"):
        return None
    return (root.get(start.removeprefix("#/")) or {}).get(name)


def fit_schema(schema: JsonObject) -> tuple[JsonObject, frozenset[str]]:
    """Return the fitted schema, and the keywords that it lost."""
    lost: set[str] = set()
    return _fit(schema, lost, 0), frozenset(lost)


def _is_refused(name: str, value: Any) -> bool:
    """Return whether a keyword with this value is refused."""
    if name in _LIMITS:
        return name != "minItems" or value not in (0, 1)
    if name == "format":
        return value not in _FORMATS
    return name == "pattern" and _HARD_PATTERN.search(str(value)) is not None


def _fit(schema: Any, lost: set[str], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    fitted: JsonObject = {}
    removed: list[str] = []
    for name, value in schema.items():
        if _is_refused(name, value):
            removed.append(f"{name}: {msgspec.json.encode(value).decode()}")
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
    if removed:
        note, description = f"[{'; '.join(removed)}]", schema.get("description")
        fitted["description"] = f"{description} {note}" if description else note
    return fitted


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return "object" in kind if isinstance(kind, list) else kind == "object"
