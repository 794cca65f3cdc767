"""Converts JSON schemas to draft 2020-12, which upstreams require.

Clients send schemas of older drafts, of OpenAPI and of no standard at all: tuples in ``items``,
``exclusiveMinimum: true``, ``required`` on a property, ``type: "any"``, ``null`` for what is not
said.  What a schema means stays; one that is in order is returned as it is, the same object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

JsonSchema = dict[str, Any]

TYPES: Final = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
#: Type names of other languages; ``None`` is any type.
_TYPE_NAMES: Final[Mapping[str, str | None]] = {
    "any": None, "int": "integer", "long": "integer", "float": "number", "double": "number",
    "decimal": "number", "str": "string", "text": "string", "date": "string", "datetime": "string",
    "file": "string", "bool": "boolean", "list": "array", "tuple": "array", "dict": "object",
    "map": "object", "none": "null",
}  # fmt: skip
#: Keywords for which ``null`` is a valid value.
_VALUES: Final = frozenset(("default", "const", "enum", "example", "examples"))
_MAPS: Final = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
)
_SINGLES: Final = frozenset(
    ("items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties",
     "propertyNames", "contains", "not", "if", "then", "else")
)  # fmt: skip
_LISTS: Final = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_TEXTS: Final = frozenset(
    ("description", "title", "format", "pattern", "$ref", "$schema", "$id", "$comment")
)
_COUNTS: Final = frozenset(
    ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
     "minContains", "maxContains")
)  # fmt: skip
_NUMBERS: Final = frozenset(("minimum", "maximum", "multipleOf"))
_EXCLUSIVE: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
#: Patterns that match every name.
_ALL_NAMES: Final = frozenset(("", ".*", "^.*$", "^(.*)$", "(.*)", "^.*", ".+", "^.+$", "^(.+)$"))
_LONGEST_PATTERN: Final = 1000
_MAX_DEPTH: Final = 100
_WHOLE: Final = re.compile(r"[0-9]{1,15}")


def repair_schema(schema: JsonSchema) -> JsonSchema:
    """Return a schema that is valid, the same object if it is."""
    repaired = _Repair(schema).schema(schema, 0)
    return repaired if isinstance(repaired, dict) else {}


class _Repair:
    """Repairs the schemas of one document; unchanged parts are not copied."""

    def __init__(self, root: JsonSchema) -> None:
        self._root = root

    def schema(self, schema: Any, depth: int) -> Any:
        """Return a valid schema for what stands in the place of one."""
        if isinstance(schema, bool):
            return schema
        if isinstance(schema, str):
            return _of_type(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return {}
        fitted: JsonSchema = {}
        changed = False
        for name, value in schema.items():
            found = self._value(name, value, depth)
            if found is not value:
                changed = True
            if found is not _ABSENT:
                fitted[name] = found
        changed = _adjust(fitted, schema) or changed
        if "$ref" in fitted and not self._resolves(fitted["$ref"]):
            pointer = fitted.pop("$ref")
            _describe(fitted, f"see {pointer.rsplit('/', 1)[-1]}")
            changed = True
        return fitted if changed else schema

    def _value(self, name: str, value: Any, depth: int) -> Any:
        """Return the value of a keyword, ``_ABSENT`` if it has no effect."""
        if name in _MAPS:
            if not isinstance(value, dict):
                return _ABSENT
            return self._map(value, depth)
        if value is None and name not in _VALUES:
            return _ABSENT
        if name == "items" and isinstance(value, list):
            return self._list(value, depth)  # a tuple, see `_adjust`
        if name in _SINGLES:
            valid = isinstance(value, dict | bool) or (name == "items" and isinstance(value, str))
            return self.schema(value, depth + 1) if valid else _ABSENT
        if name in _LISTS:
            return self._list(value, depth) if isinstance(value, list) and value else _ABSENT
        check = _CHECKS.get(name)
        return value if check is None else check(value)

    def _map(self, value: Mapping[Any, Any], depth: int) -> Any:
        repaired = {name: self.schema(inner, depth + 1) for name, inner in value.items()}
        return value if all(repaired[name] is inner for name, inner in value.items()) else repaired

    def _list(self, value: list[Any], depth: int) -> Any:
        repaired = [self.schema(inner, depth + 1) for inner in value]
        same = all(mine is inner for mine, inner in zip(repaired, value, strict=True))
        return value if same else repaired

    def _resolves(self, pointer: str) -> bool:
        """Return whether a reference can be resolved; only paths in the document are checked."""
        if not pointer.startswith("#/"):
            return pointer.startswith("#")
        place: Any = self._root
        for step in pointer[2:].split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and _WHOLE.fullmatch(step) and int(step) < len(place):
                place = place[int(step)]
            elif isinstance(place, dict) and step in place:
                place = place[step]
            else:
                return False
        return True


_ABSENT: Final[Any] = object()


def _of_type(name: str) -> JsonSchema:
    kind = _type_name(name)
    return {} if kind is None else {"type": kind}


def _type_name(name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    lower = name.lower()
    return lower if lower in TYPES else _TYPE_NAMES.get(lower)


def _type(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in TYPES else _type_name(value) or _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    known = list(dict.fromkeys(map(_type_name, value)))
    if None in known or not known:
        return _ABSENT
    return value if known == value else known


def _required(value: Any) -> Any:
    if not isinstance(value, list):
        return _ABSENT  # `required: true` of a property moves to the object, see `_adjust`
    names = list(dict.fromkeys(name for name in value if isinstance(name, str)))
    return value if names == value else names


def _enum(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        return _ABSENT
    plain = all(isinstance(each, str) for each in value)
    return list(dict.fromkeys(value)) if plain and len(set(value)) < len(value) else value


def _count(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else _ABSENT
    if isinstance(value, float) and value.is_integer() and value >= 0:
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else _ABSENT


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else _ABSENT
    return value if isinstance(value, int | float) and not isinstance(value, bool) else _ABSENT


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else _ABSENT


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "type": _type,
    "required": _required,
    "enum": _enum,
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_TEXTS, _text),
}


def _adjust(fitted: JsonSchema, schema: JsonSchema) -> bool:
    """Put what keywords say together; return whether anything changed."""
    changed = False
    if isinstance(fitted.get("items"), list):
        fitted["prefixItems"] = fitted.pop("items")
        rest = fitted.pop("additionalItems", None)
        if isinstance(rest, dict | bool):
            fitted["items"] = repair_schema(rest) if isinstance(rest, dict) else rest
        if not fitted["prefixItems"]:
            del fitted["prefixItems"]
        changed = True
    for name, limit in _EXCLUSIVE.items():
        value = fitted.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            continue
        if name in fitted:
            del fitted[name]
            if value is True and limit in fitted:
                fitted[name] = fitted.pop(limit)
            changed = True
    if "items" not in fitted and _is_array(fitted.get("type")):
        fitted["items"] = {}
        changed = True
    if _require_marked(fitted, schema):
        changed = True
    return _fit_patterns(fitted) or changed


def _is_array(kind: Any) -> bool:
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _require_marked(fitted: JsonSchema, schema: JsonSchema) -> bool:
    """Require the properties marked as required, as in drafts before the fourth."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return False
    required = fitted.get("required") or []
    marked = [
        name
        for name, inner in properties.items()
        if isinstance(inner, dict) and inner.get("required") is True and name not in required
    ]
    if marked:
        fitted["required"] = [*required, *marked]
    return bool(marked)


def _fit_patterns(fitted: JsonSchema) -> bool:
    """Move invalid patterns to the description, and replace patterns that match every name."""
    changed = False
    pattern = fitted.get("pattern")
    if isinstance(pattern, str) and not _is_regular(pattern):
        _describe(fitted, f"pattern: {fitted.pop('pattern')}")
        changed = True
    patterns = fitted.get("patternProperties")
    if isinstance(patterns, dict):
        valid = {name: inner for name, inner in patterns.items() if _is_regular(name)}
        if len(valid) == 1 and "additionalProperties" not in fitted and _ALL_NAMES & valid.keys():
            (fitted["additionalProperties"],) = valid.values()
            valid = {}
        if len(valid) < len(patterns):
            changed = True
            if valid:
                fitted["patternProperties"] = valid
            else:
                del fitted["patternProperties"]
    return changed


def _is_regular(pattern: Any) -> bool:
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _describe(schema: JsonSchema, words: str) -> None:
    """Add a sentence to the description of a schema."""
    description = schema.get("description")
    schema["description"] = (
        f"{description} [{words}]" if isinstance(description, str) and description else f"[{words}]"
    )
