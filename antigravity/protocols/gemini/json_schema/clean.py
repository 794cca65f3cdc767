"""Reduces a JSON Schema to the keywords of old Gemini endpoints, and describes the others.

Any JSON value gives a schema, cleaning twice changes nothing, and neither cycles nor many
references make the result large.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from antigravity.protocols.gemini.json_schema.allow_list import (
    ALLOWED,
    as_enum,
    is_bare_map,
    known_type,
)
from antigravity.protocols.gemini.json_schema.fold import (
    MAX_FOLDS,
    MAX_FOLDS_IN_ALL,
    Folder,
    Place,
)
from antigravity.protocols.gemini.json_schema.hints import (
    CONSTRAINTS,
    accepts_hint,
    constraint_hint,
    with_hint,
)
from antigravity.protocols.gemini.json_schema.unions import most_specific, type_of
from antigravity.protocols.schema_positions import MAX_DEPTH, JsonSchema

#: Nodes per document; real tools have fewer than five hundred.
_MAX_NODES: Final = 5_000
#: Nodes of all documents of one request.
_MAX_NODES_IN_ALL: Final = 100_000

_ANYTHING: Final = "Any JSON value."
#: Keywords that are folded in, moved to the description, or about the document itself.
_HANDLED: Final = frozenset(
    {
        *ALLOWED,
        *CONSTRAINTS,
        "const",
        "prefixItems",
        "$defs",
        "definitions",
        "$schema",
        "$id",
        "$comment",
    }
)


class Cleaned(NamedTuple):
    """A clean schema, and the keywords whose meaning it could not keep."""

    schema: JsonSchema
    dropped: frozenset[str]


class Budget:
    """The limit on the size of all schemas of one request.

    References are expanded, so that many small documents could become very many nodes.
    """

    def __init__(self) -> None:
        self.nodes = _MAX_NODES_IN_ALL
        self.folds = MAX_FOLDS_IN_ALL


def clean(schema: Any, budget: Budget | None = None) -> Cleaned:
    """Return ``schema`` with the keywords in :data:`ALLOWED` only."""
    cleaner = _Cleaner(schema, budget or Budget())
    cleaned = cleaner.node(schema, Place())
    cleaner.charge_budget()
    return Cleaned(cleaned, frozenset(cleaner.dropped))


def clean_parameters(schema: Any, budget: Budget | None = None) -> Cleaned:
    """Return the clean schema of a function's arguments, which always has the type object."""
    if isinstance(schema, dict) and not is_bare_map(schema):
        schema = {**schema, "type": "object"} if type_of(schema) in (None, "object") else schema
    result = clean(schema, budget)
    if result.schema["type"] == "object":
        return result
    return Cleaned({"type": "object", "properties": {}}, result.dropped | {"type"})


class _Cleaner:
    """Cleans one document."""

    def __init__(self, root: Any, budget: Budget) -> None:
        self._budget = budget
        self._folder = Folder(root, min(MAX_FOLDS, budget.folds))
        self._remaining = min(_MAX_NODES, budget.nodes)
        self.dropped: set[str] = set()

    def charge_budget(self) -> None:
        """Subtract the use of this document from the budget."""
        budget = self._budget
        budget.nodes -= min(_MAX_NODES, budget.nodes) - max(0, self._remaining)
        budget.folds -= min(MAX_FOLDS, budget.folds) - max(0, self._folder.remaining)

    def node(self, schema: Any, place: Place) -> JsonSchema:
        """Return one clean node with all that is below it."""
        self._remaining -= 1
        if self._remaining < 0 or place.depth > MAX_DEPTH:
            return {"type": "object", "properties": {}}
        if isinstance(schema, str) and known_type(schema):
            schema = {"type": schema}
        if not isinstance(schema, dict):
            schema = {}
        if is_bare_map(schema):
            schema = {"type": "object", "properties": schema}
        flat, place = self._folder.flatten(schema, place)
        return self._shape(flat, place)

    def _shape(self, flat: JsonSchema, place: Place) -> JsonSchema:
        """Return a node made of allowed keywords only."""
        self.dropped.update(key for key in flat if key not in _HANDLED)
        names, nullable = _types(flat.get("type"))
        values = _values(flat)
        nullable = nullable or flat.get("nullable") is True or None in values
        enum = as_enum(values)
        kind = _kind(names[0] if names else None, flat, bool(enum))
        hints = [accepts_hint(names), constraint_hint(flat)]
        shown: JsonSchema = {}
        if kind == "object":
            shown = self._object(flat, place)
            hints.append(_free_keys(flat))
        elif kind == "array":
            shown = {"items": self.node(_items(flat), place.deeper())}
        elif enum:
            kind, shown = "string", {"enum": enum}
        elif kind is None:
            kind = "string"
            if not nullable:
                hints.append("" if flat.get("description") else _ANYTHING)
        described = flat.get("description")
        description = described if isinstance(described, str) else ""
        for hint in hints:
            description = with_hint(description, hint)
        title = flat.get("title")
        result = {
            "type": kind,
            "title": title if isinstance(title, str) else None,
            "description": description or None,
            "nullable": nullable or None,
            **shown,
        }
        return {key: result[key] for key in ALLOWED if result.get(key) is not None}

    def _object(self, flat: JsonSchema, place: Place) -> JsonSchema:
        """Return properties and which of them are required."""
        found = flat.get("properties")
        properties = found if isinstance(found, dict) else {}
        cleaned: JsonSchema = {}
        flagged: list[str] = []
        for name, child in properties.items():
            if child is False:
                continue
            cleaned[name] = self.node(child, place.deeper())
            if isinstance(child, dict) and child.get("required") is True:
                flagged.append(name)
        listed = flat.get("required")
        names = listed if isinstance(listed, list) else []
        required = [name for name in (*names, *flagged) if isinstance(name, str)]
        required = [name for name in dict.fromkeys(required) if name in cleaned]
        return {"properties": cleaned, "required": required or None}


def _types(kind: Any) -> tuple[list[str], bool]:
    """Return the known types that ``type`` names, and whether ``null`` is one of them."""
    listed = kind if isinstance(kind, list) else [kind]
    names = [name for name in map(known_type, listed) if name is not None]
    return names, any(isinstance(name, str) and name.lower() == "null" for name in listed)


def _values(flat: JsonSchema) -> list[Any]:
    """Return the only valid values, or an empty list."""
    if "const" in flat:
        return [flat["const"]]
    enum = flat.get("enum")
    return enum if isinstance(enum, list) else []


def _kind(declared: str | None, flat: JsonSchema, enum: bool) -> str | None:
    """Return the type of a node: the declared one unless its keywords contradict it."""
    properties = flat.get("properties")
    has_items = any(isinstance(flat.get(key), dict | list) for key in ("items", "prefixItems"))
    if declared == "object":
        return "array" if has_items and not isinstance(properties, dict) else declared
    if isinstance(properties, dict) and (properties or declared is None):
        return declared if declared == "array" and has_items else "object"
    if declared is not None:
        return declared
    if has_items:
        return "array"
    if isinstance(flat.get("additionalProperties"), dict) or flat.get("required"):
        return "object"
    if not enum and flat.keys() & {"minimum", "maximum", "multipleOf"}:
        return "number"
    return "string" if flat.keys() & {"minLength", "maxLength", "pattern", "format"} else None


def _items(flat: JsonSchema) -> Any:
    """Return the schema of an array's items; of several, the most specific."""
    for key in ("items", "prefixItems"):
        found = flat.get(key)
        if isinstance(found, dict):
            return found
        if isinstance(found, list):
            branches = [item for item in found if isinstance(item, dict)]
            if branches:
                return most_specific(branches)
    return True


def _free_keys(flat: JsonSchema) -> str:
    """Return a hint for an object that is a map from any key to one kind of value."""
    values = flat.get("additionalProperties")
    if not isinstance(values, dict) or flat.get("properties"):
        return ""
    return f"[Constraint: any keys, each value: {type_of(values) or 'any'}]"
