"""Fold references, ``allOf``, conditions and unions into one flat schema node.

What remains has no combinators: only keywords that describe this node itself.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from antigravity.protocols.gemini.json_schema.allow_list import is_bare_map
from antigravity.protocols.gemini.json_schema.hints import accepts_hint, with_hint
from antigravity.protocols.gemini.json_schema.positions import JsonSchema
from antigravity.protocols.gemini.json_schema.refs import References, definitions, name_of
from antigravity.protocols.gemini.json_schema.unions import (
    best,
    constants,
    is_null,
    says_nothing,
    type_of,
)

_CONDITIONS: Final = ("then", "else", "if")
_UNIONS: Final = ("anyOf", "oneOf")
_COMBINATORS: Final = ("$ref", "allOf", *_CONDITIONS, *_UNIONS)
#: Folds per document; a schema that needs more is hostile, and what is left is cut.
MAX_FOLDS: Final = 20_000
#: Of all documents of one request.
MAX_FOLDS_IN_ALL: Final = 400_000
#: To copy so many members takes as long as a fold.
_MEMBERS: Final = 64
#: Values that are no texts are compared one by one; no schema lists more of them.
_COMPARED: Final = 1000


class Place(NamedTuple):
    """Where a node stands: definitions in reach, references being followed, and how deep."""

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
        #: Folds that are left.
        self.left = folds

    def flatten(self, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Return ``schema`` without combinators, and the place that its children are seen from."""
        flat = dict(schema)
        while True:
            self._count(flat)
            if self.left < 0:
                return {k: v for k, v in flat.items() if k not in _COMBINATORS}, place
            brought = definitions(flat)
            if brought is not None and brought not in place.scopes:
                place = place._replace(scopes=(*place.scopes, brought))
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
        """Count a fold of a schema: the more it holds, the longer it takes."""
        held = (schema.get("properties"), schema.get("required"))
        size = sum(len(each) for each in held if isinstance(each, dict | list))
        self.left -= 1 + size // _MEMBERS

    def _dereference(self, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Put what a reference points to beneath the keywords beside it."""
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
        """Merge all branches, the first word on each keyword counting."""
        flat = dict(schema)
        branches = flat.pop("allOf")
        for branch in branches if isinstance(branches, list) else ():
            if isinstance(branch, dict):
                self._count(flat)
                if self.left < 0:
                    break
                if "$ref" in branch:
                    branch, place = self._dereference(branch, place)
                flat = merge(flat, branch)
        return flat, place

    def _union(self, key: str, schema: JsonSchema, place: Place) -> tuple[JsonSchema, Place]:
        """Choose one branch, and say in the description what else would have been accepted."""
        flat = dict(schema)
        found = flat.pop(key)
        branches = (
            [branch for branch in found if isinstance(branch, dict)]
            if (isinstance(found, list))
            else []
        )
        resolved = [self._resolved(branch, place) for branch in branches]
        kept = [
            (branch, seen)
            for branch, seen in zip(branches, resolved, strict=True)
            if not is_null(seen)
        ]
        if len(kept) < len(branches):
            flat["nullable"] = True
            if not kept and "type" not in flat:
                flat["type"] = "null"
        values = constants([seen for _, seen in kept])
        if values is not None and "enum" not in flat and "const" not in flat:
            flat["enum"] = values
            return flat, place
        telling = [(branch, seen) for branch, seen in kept if not says_nothing(seen)]
        if not telling:
            return flat, place
        chosen = best([seen for _, seen in telling])
        branch = next(branch for branch, seen in telling if seen is chosen)
        merged = merge(flat, branch)
        hint = accepts_hint(_label(branch, seen) for branch, seen in telling)
        if hint:
            described = merged.get("description", chosen.get("description"))
            merged["description"] = with_hint(described if isinstance(described, str) else "", hint)
        return merged, place

    def _resolved(self, branch: JsonSchema, place: Place) -> JsonSchema:
        """Return a branch with its own reference followed, to judge it by."""
        seen: set[str] = set()
        while isinstance(pointer := branch.get("$ref"), str) and pointer not in seen:
            seen.add(pointer)
            self._count(branch)
            if self.left < 0:
                break
            target = self._references.resolve(pointer, place.scopes)
            if not isinstance(target, dict) or pointer in place.active:
                break
            branch = merge({k: v for k, v in branch.items() if k != "$ref"}, target)
        return branch


def merge(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """Return a schema that says what both say; where they differ, ``first`` counts."""
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
    """Return the items that are not among ``others``; texts are looked up, not searched for."""
    texts = {item for item in others if isinstance(item, str)}
    rest = [item for item in others if not isinstance(item, str)][:_COMPARED]
    return [item for item in items if item not in (texts if isinstance(item, str) else rest)]


def _conditions(schema: JsonSchema) -> JsonSchema:
    """Merge what holds under conditions as optional."""
    flat = dict(schema)
    for key in _CONDITIONS:
        branch = flat.pop(key, None)
        if isinstance(branch, dict):
            properties = branch.get("properties")
            if isinstance(properties, dict):
                flat = merge(flat, {"properties": properties})
    return flat


def _hinted(schema: JsonSchema, kind: str, hint: str) -> JsonSchema:
    """Return ``schema`` as a stand-in for something that can't be written out."""
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
