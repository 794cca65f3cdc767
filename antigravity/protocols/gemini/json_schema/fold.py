"""Folds references, ``allOf``, conditions and unions into one flat schema node.

The result has no combinators, only keywords that describe this node itself.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from antigravity.protocols.gemini.json_schema.allow_list import is_bare_map
from antigravity.protocols.gemini.json_schema.hints import accepts_hint, with_hint
from antigravity.protocols.gemini.json_schema.refs import References, definitions, name_of
from antigravity.protocols.gemini.json_schema.unions import (
    constants,
    is_null,
    most_specific,
    only_constrains,
    type_of,
)
from antigravity.protocols.schema_positions import JsonSchema

_CONDITIONS: Final = ("then", "else", "if")
_UNIONS: Final = ("anyOf", "oneOf")
_COMBINATORS: Final = ("$ref", "allOf", *_CONDITIONS, *_UNIONS)
#: Folds per document; a schema that needs more is hostile, and its rest is cut off.
MAX_FOLDS: Final = 20_000
#: Of all documents of one request.
MAX_FOLDS_IN_ALL: Final = 400_000
#: Copying this many members takes as long as a fold.
_MEMBERS: Final = 64
#: The limit of values other than strings, which are compared one by one.
_COMPARED: Final = 1000


class Place(NamedTuple):
    """The position of a node: definitions in scope, references being resolved, and depth."""

    scopes: tuple[JsonSchema, ...] = ()
    active: frozenset[str] = frozenset()
    depth: int = 0

    def deeper(self) -> Place:
        """Return the place of a child."""
        return self._replace(depth=self.depth + 1)


class Folder:
    """Folds the nodes of one document."""

    def __init__(self, root: Any, folds: int = MAX_FOLDS) -> None:
        self._references = References(root)
        #: The number of folds that are still allowed.
        self.remaining = folds

    def flatten(self, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Return ``schema`` without combinators, and the place of its children."""
        flat = dict(schema)
        while True:
            self._count(flat)
            if self.remaining < 0:
                return {k: v for k, v in flat.items() if k not in _COMBINATORS}, place
            local = definitions(flat)
            if local is not None and local not in place.scopes:
                place = place._replace(scopes=(*place.scopes, local))
            if "$ref" in flat:
                flat, place = self._dereference(flat, place)
            elif "allOf" in flat:
                flat, place = self._all_of(flat, place)
            elif any(key in flat for key in _CONDITIONS):
                flat = _conditions(flat)
            elif "anyOf" in flat:
                flat, place = self._union("anyOf", flat, place)
            elif "oneOf" in flat:
                flat, place = self._union("oneOf", flat, place)
            else:
                return flat, place

    def _count(self, schema: JsonSchema) -> None:
        """Count a fold of a schema; a large schema counts more."""
        held = (schema.get("properties"), schema.get("required"))
        size = sum(len(each) for each in held if isinstance(each, dict | list))
        self.remaining -= 1 + size // _MEMBERS

    def _dereference(self, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Merge the target of a reference; the keywords beside it take precedence."""
        siblings = dict(schema)
        pointer = siblings.pop("$ref")
        if not isinstance(pointer, str):
            return siblings, place
        if pointer in place.active:
            return _hinted(siblings, "object", f"(recursive: {name_of(pointer) or 'root'})"), place
        target = self._references.resolve(pointer, place.scopes)
        if target is True:
            return siblings, place
        if not isinstance(target, dict):
            return _hinted(siblings, "string", f"(see {name_of(pointer)})"), place
        if is_bare_map(target):
            target = {"type": "object", "properties": target}
        return merge(siblings, target), place._replace(active=place.active | {pointer})

    def _all_of(self, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Merge all branches; the first value of each keyword takes precedence."""
        flat = dict(schema)
        branches = flat.pop("allOf")
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict):
                self._count(flat)
                if self.remaining < 0:
                    break
                if "$ref" in branch:
                    branch, place = self._dereference(branch, place)
                flat = merge(flat, branch)
        return flat, place

    def _union(self, key: str, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Choose one branch, and list the alternatives in the description."""
        flat = dict(schema)
        alternatives = flat.pop(key)
        branches = (
            [branch for branch in alternatives if isinstance(branch, dict)]
            if (isinstance(alternatives, list))
            else []
        )
        resolved = [self._resolved(branch, place) for branch in branches]
        others = [
            (branch, seen)
            for branch, seen in zip(branches, resolved, strict=True)
            if not is_null(seen)
        ]
        if len(others) < len(branches):
            flat["nullable"] = True
            if not others and "type" not in flat:
                flat["type"] = "null"
        values = constants([seen for _, seen in others])
        if values is not None and "enum" not in flat and "const" not in flat:
            flat["enum"] = values
            return flat, place
        specific = [(branch, seen) for branch, seen in others if not only_constrains(seen)]
        if not specific:
            return flat, place
        chosen = most_specific([seen for _, seen in specific])
        branch = next(branch for branch, seen in specific if seen is chosen)
        merged = merge(flat, branch)
        hint = accepts_hint(_label(branch, seen) for branch, seen in specific)
        if hint:
            described = merged.get("description", chosen.get("description"))
            merged["description"] = with_hint(described if isinstance(described, str) else "", hint)
        return merged, place

    def _resolved(self, branch: JsonSchema, place: Place) -> JsonSchema:
        """Return a branch with its own reference resolved."""
        seen: set[str] = set()
        while isinstance(pointer := branch.get("$ref"), str) and pointer not in seen:
            seen.add(pointer)
            self._count(branch)
            if self.remaining < 0:
                break
            target = self._references.resolve(pointer, place.scopes)
            if not isinstance(target, dict) or pointer in place.active:
                break
            branch = merge({k: v for k, v in branch.items() if k != "$ref"}, target)
        return branch


def merge(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """Return the merger of two schemas; where they differ, ``first`` takes precedence."""
    result = dict(first)
    for key, value in second.items():
        mine = result.get(key)
        if key not in result:
            result[key] = value
        elif key in ("properties", "$defs", "definitions"):
            if isinstance(mine, dict) and isinstance(value, dict):
                result[key] = {**mine, **{k: v for k, v in value.items() if k not in mine}}
        elif key in ("required", "allOf"):
            if isinstance(mine, list) and isinstance(value, list):
                result[key] = [*mine, *_without(value, mine)]
        elif key == "enum" and isinstance(mine, list) and isinstance(value, list):
            result[key] = _without(mine, _without(mine, value)) or mine
    return result


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    """Return the items that are not among ``others``; strings are looked up in a set."""
    texts = {item for item in others if isinstance(item, str)}
    rest = [item for item in others if not isinstance(item, str)][:_COMPARED]
    return [item for item in items if item not in (texts if isinstance(item, str) else rest)]


def _conditions(schema: JsonSchema) -> JsonSchema:
    """Merge properties under conditions as optional."""
    flat = dict(schema)
    for key in _CONDITIONS:
        branch = flat.pop(key, None)
        if isinstance(branch, dict):
            properties = branch.get("properties")
            if isinstance(properties, dict):
                flat = merge(flat, {"properties": properties})
    return flat


def _hinted(schema: JsonSchema, kind: str, hint: str) -> JsonSchema:
    """Return ``schema`` with a hint in place of something that cannot be expanded."""
    described = schema.get("description")
    text = with_hint(described if isinstance(described, str) else "", hint)
    return {"type": kind, **schema, "description": text}


def _label(branch: JsonSchema, seen: JsonSchema) -> str:
    """Return a short name for a branch of a union."""
    pointer = branch.get("$ref")
    if isinstance(pointer, str):
        return name_of(pointer) or "object"
    title = seen.get("title")
    if isinstance(title, str) and title:
        return title
    return type_of(seen) or "any"
