"""Give arguments the types that their schema declares, where a model wrote them as strings.

Only strings change, and only where the schema allows no string: ``"42"`` becomes a number,
``"true"`` a boolean.  Strings with a leading zero, and all else, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from antigravity.protocols.gemini.json_schema.fold import merge
from antigravity.protocols.gemini.json_schema.positions import MAX_DEPTH, JsonSchema
from antigravity.protocols.gemini.json_schema.refs import References, definitions

_INTEGER: Final = re.compile(r"-?(?:0|[1-9]\d{0,300})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,300})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,2})?")
_HOPS: Final = 8
#: Unions within unions have any number of branches, and may refer to themselves.
_READINGS: Final = 64


class Repair:
    """Repairs the arguments of one function."""

    def __init__(self, schema: JsonSchema) -> None:
        self._schema = schema
        self._references = References(schema)
        own = definitions(schema)
        self._scopes = (own,) if own else ()
        #: By the identity of a schema, which the document keeps alive.
        self._known: dict[int, list[JsonSchema]] = {}

    def arguments(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments, repaired."""
        repaired: dict[str, Any] = self._fix(value, self._schema, 0)
        return repaired

    def _fix(self, value: Any, schema: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return value
        if isinstance(value, dict):
            return {key: self._member(key, item, schema, depth) for key, item in value.items()}
        if isinstance(value, list):
            items = next((s["items"] for s in self._readings(schema) if "items" in s), None)
            return [self._fix(item, items, depth + 1) for item in value]
        if isinstance(value, str):
            return _scalar(value, self._readings(schema))
        return value

    def _member(self, key: str, item: Any, schema: Any, depth: int) -> Any:
        """Return one member of an object, repaired by the first schema that knows it."""
        for reading in self._readings(schema):
            properties = reading.get("properties")
            if isinstance(properties, dict) and key in properties:
                return self._fix(item, properties[key], depth + 1)
        for reading in self._readings(schema):
            if isinstance(reading.get("additionalProperties"), dict):
                return self._fix(item, reading["additionalProperties"], depth + 1)
        return item

    def _readings(self, schema: Any) -> list[JsonSchema]:
        """Return a schema and the branches of its unions, references followed; not too many."""
        known = self._known.get(id(schema))
        if known is None:
            known = list(islice(self._branches(schema), _READINGS))
            self._known[id(schema)] = known
        return known

    def _branches(self, schema: Any, depth: int = 0) -> Iterator[JsonSchema]:
        if not isinstance(schema, dict) or depth > _HOPS:
            return
        for _ in range(_HOPS):
            pointer = schema.get("$ref")
            if not isinstance(pointer, str):
                break
            target = self._references.resolve(pointer, self._scopes)
            schema = {key: value for key, value in schema.items() if key != "$ref"}
            if isinstance(target, dict):
                schema = merge(schema, target)
        yield schema
        for key in ("allOf", "anyOf", "oneOf"):
            branches = schema.get(key)
            for branch in branches[:_HOPS] if isinstance(branches, list) else ():
                yield from self._branches(branch, depth + 1)


def _scalar(value: str, readings: list[JsonSchema]) -> Any:
    """Return a string as the type that is declared, if no reading takes a string."""
    kinds: set[str] = set()
    for reading in readings:
        kind = reading.get("type")
        kinds.update(k for k in (kind if isinstance(kind, list) else [kind]) if isinstance(k, str))
        values = [reading["const"]] if "const" in reading else reading.get("enum")
        if isinstance(values, list):
            if value in values:
                return value
            for allowed in values:
                if (
                    isinstance(allowed, bool | int | float)
                    and msgspec.json.encode(allowed).decode() == value
                ):
                    return allowed
    if "string" in kinds:
        return value
    if "boolean" in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if "integer" in kinds and _INTEGER.fullmatch(value):
        return int(value)
    if "number" in kinds and _NUMBER.fullmatch(value):
        return msgspec.json.decode(value)
    return value
