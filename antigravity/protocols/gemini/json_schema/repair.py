"""Converts arguments that a model wrote as strings to the types that their schema declares.

Only strings change, and only where the schema does not allow a string: ``"42"`` becomes a
number, ``"true"`` a boolean.  Strings with a leading zero, and everything else, do not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from antigravity.protocols.gemini.json_schema.fold import merge
from antigravity.protocols.gemini.json_schema.refs import References, definitions
from antigravity.protocols.schema_positions import MAX_DEPTH, JsonSchema

_INTEGER: Final = re.compile(r"-?(?:0|[1-9]\d{0,300})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,300})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,2})?")
_HOPS: Final = 8
#: The limit for nested unions, which can have any number of branches or refer to themselves.
_MAX_ALTERNATIVES: Final = 64


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
            items = next((s["items"] for s in self._alternatives(schema) if "items" in s), None)
            return [self._fix(item, items, depth + 1) for item in value]
        if isinstance(value, str):
            return _scalar(value, self._alternatives(schema))
        return value

    def _member(self, key: str, item: Any, schema: Any, depth: int) -> Any:
        """Return one member of an object, repaired by the first schema that knows it."""
        for alternative in self._alternatives(schema):
            properties = alternative.get("properties")
            if isinstance(properties, dict) and key in properties:
                return self._fix(item, properties[key], depth + 1)
        for alternative in self._alternatives(schema):
            if isinstance(alternative.get("additionalProperties"), dict):
                return self._fix(item, alternative["additionalProperties"], depth + 1)
        return item

    def _alternatives(self, schema: Any) -> list[JsonSchema]:
        """Return a schema and the branches of its unions, with references resolved."""
        known = self._known.get(id(schema))
        if known is None:
            known = list(islice(self._branches(schema), _MAX_ALTERNATIVES))
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


def _scalar(value: str, alternatives: list[JsonSchema]) -> Any:
    """Return a string as the type that is declared, unless a string is allowed."""
    kinds: set[str] = set()
    for alternative in alternatives:
        kind = alternative.get("type")
        kinds.update(k for k in (kind if isinstance(kind, list) else [kind]) if isinstance(k, str))
        values = [alternative["const"]] if "const" in alternative else alternative.get("enum")
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
