"""Schemas for servers that want a type on every one of them (Moonshot's flavour of JSON Schema).

"when using anyOf, type should be defined in anyOf items instead of the parent schema", "type is not
defined", "Conflict in schema definitions for key 'if'", they say.  So references are written out,
``oneOf`` and ``allOf`` are put in other words, and every schema has a type or alternatives.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.ir.tools import FunctionTool, JsonObject, Tool
from antigravity.lowering.tool_schemas import join_schemas

#: Schemas of one function that are written out; what more there is becomes any object.
_MOST: Final = 5_000
_MAX_DEPTH: Final = 40
_DROPPED: Final = frozenset(
    ("$defs", "definitions", "if", "then", "else", "not", "dependentSchemas", "dependentRequired",
     "patternProperties", "propertyNames", "unevaluatedProperties", "$schema", "$id")
)  # fmt: skip
_ANY: Final = "Any JSON value."
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


def fit_typed_schemas(request: Request, target: Target) -> Request:
    """Return the request with a type on every schema of its functions, if required."""
    if not request.tools or not target.accepts("typed_schemas"):
        return request
    return replace(request, tools=tuple(map(_typed_tool, request.tools)))


def _typed_tool(tool: Tool) -> Tool:
    if not isinstance(tool, FunctionTool) or tool.parameters is None:
        return tool
    return replace(tool, parameters=typed_schema(tool.parameters))


def typed_schema(schema: JsonObject) -> JsonObject:
    """Return a schema without references, with a type on every schema."""
    return _Typed(schema).schema(schema, frozenset(), 0)


class _Typed:
    """Writes the schemas of one document out."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._left = _MOST

    def schema(self, schema: Any, active: frozenset[str], depth: int) -> JsonObject:
        """Return a schema with a type; ``active`` are the references that have led here."""
        self._left -= 1
        if not isinstance(schema, dict):
            return {"type": "string", "description": _ANY}
        if depth > _MAX_DEPTH or self._left < 0:
            return {"type": "object"}
        schema, active = self._resolved(schema, active)
        fitted: JsonObject = {}
        for name, value in schema.items():
            if name in _DROPPED or name in ("anyOf", "oneOf"):
                continue
            if name == "properties" and isinstance(value, dict):
                fitted[name] = {
                    key: self.schema(inner, active, depth + 1) for key, inner in value.items()
                }
            elif name == "items" or (name == "additionalProperties" and isinstance(value, dict)):
                fitted[name] = self.schema(value, active, depth + 1)
            elif name == "prefixItems" and isinstance(value, list) and value:
                fitted.setdefault("items", self.schema(value[0], active, depth + 1))
            else:
                fitted[name] = value
        branches = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(branches, list) and depth > 0:
            return self._alternatives(fitted, branches, active, depth)
        return _with_type(fitted)

    def _resolved(
        self, schema: JsonObject, active: frozenset[str]
    ) -> tuple[JsonObject, frozenset[str]]:
        """Return a schema with what its references and ``allOf`` say in it."""
        for _ in range(8):
            pointer = schema.get("$ref")
            if isinstance(pointer, str):
                rest = {name: value for name, value in schema.items() if name != "$ref"}
                target = None if pointer in active else self._target(pointer)
                if target is None:
                    return {"type": "object", **rest}, active
                schema, active = join_schemas(rest, [target]), active | {pointer}
            elif isinstance(schema.get("allOf"), list):
                rest = {name: value for name, value in schema.items() if name != "allOf"}
                others = [each for each in schema["allOf"] if isinstance(each, dict)]
                schema = join_schemas(rest, others)
            else:
                break
        return {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}, active

    def _target(self, pointer: str) -> JsonObject | None:
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        place: Any = self._root
        for step in pointer[2:].split("/") if pointer != "#" else ():
            step = step.replace("~1", "/").replace("~0", "~")
            place = place.get(step) if isinstance(place, dict) else None
        return place if isinstance(place, dict) else None

    def _alternatives(
        self, parent: JsonObject, branches: list[Any], active: frozenset[str], depth: int
    ) -> JsonObject:
        """Return alternatives, each with all that the parent says but for its description."""
        shared = {name: value for name, value in parent.items() if name != "description"}
        kind = shared.get("type")
        found = []
        for branch in branches:
            inner = branch if isinstance(branch, dict) else {}
            fitted, within = self._resolved(inner, active)
            if isinstance(kind, str) and "type" not in fitted and "anyOf" not in fitted:
                fitted = {"type": kind, **fitted}
            written = self.schema(fitted, within, depth + 1)
            found.append(_with_shared(written, shared))
        described = {"description": parent["description"]} if "description" in parent else {}
        return {"anyOf": found, **described}


def _with_shared(branch: JsonObject, shared: JsonObject) -> JsonObject:
    """Return a branch with what holds for all, where it can say it."""
    if "anyOf" in branch or branch.get("type") != shared.get("type", branch.get("type")):
        return branch
    return join_schemas(branch, [shared])


def _with_type(schema: JsonObject) -> JsonObject:
    if "type" in schema:
        return schema
    if "properties" in schema or "additionalProperties" in schema:
        return {"type": "object", **schema}
    if "items" in schema:
        return {"type": "array", **schema}
    values = [schema["const"]] if "const" in schema else schema.get("enum") or ()
    kinds = {_TYPES.get(type(value)) for value in values}
    if len(kinds) == 1 and None not in kinds:
        return {"type": kinds.pop(), **schema}
    return {"type": "string", **schema, "description": schema.get("description") or _ANY}
