"""Finds where a JSON value does not match a type, and describes why.

The messages of ``msgspec`` change from release to release.  After it has rejected a value, this
walks over the value along the type, as :mod:`msgspec.inspect` describes it, to name the field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Struct, inspect

#: A path in a value: names of members and indices of items.
Path = tuple[str | int, ...]

_NOUNS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_LISTS: Final = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.TupleType,
)
_OBJECTS: Final = (inspect.StructType, inspect.DictType)
#: Scalar types, and the types to which ``msgspec`` converts their values.
_SCALARS: Final[dict[type[inspect.Type], Any]] = {
    inspect.NoneType: None,
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
}
_NO_VALUE: Final = object()
#: Longer names are cut, since they come from the client.
_LONGEST_NAME: Final = 100


class Mismatch(Struct, frozen=True):
    """A path in a value, and the problem there: ``expected a string, got an array``.

    If ``is_missing``, the last name in ``path`` is a missing member.  Values are never quoted,
    since they may be secret.
    """

    path: Path
    problem: str
    is_missing: bool = False

    def at(self, start: str = "") -> str:
        """Return the path in JavaScript notation after ``start``: ``messages[2].role``."""
        for step in self.path:
            if isinstance(step, int):
                start += f"[{step}]"
            else:
                start += f".{step}" if start else step
        return start


def find_mismatch(
    value: object, kind: Any, *, strict: bool = True, texts: Collection[type] = ()
) -> Mismatch:
    """Return the first mismatch of a decoded JSON ``value`` with ``kind``.

    Call it after ``msgspec`` has rejected ``value``; if no field is found, the mismatch is one of
    the whole value.  Without ``strict``, text can stand for a number or a boolean.  ``texts`` are
    types that a hook makes from text.
    """
    found = _Search(strict, texts).check(value, _described(kind))
    return Mismatch((), "it does not have the expected form") if found is None else found


@cache
def _described(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


class _Search:
    """One walk over a value; its methods return ``None`` for a match."""

    def __init__(self, strict: bool, texts: Collection[type]) -> None:
        self._strict = strict
        self._texts = texts

    def check(self, value: object, kind: inspect.Type, path: Path = ()) -> Mismatch | None:
        kind = _bare(kind)
        if isinstance(kind, inspect.CustomType) and kind.cls in self._texts:
            kind = inspect.StrType()
        if isinstance(kind, inspect.UnionType):
            return self._union(value, kind, path)
        if isinstance(kind, inspect.StructType):
            return self._struct(value, (kind,), path)
        if isinstance(kind, inspect.DictType):
            return self._table(value, kind, path)
        if isinstance(kind, _LISTS):
            return self._list(value, kind, path)
        if isinstance(kind, inspect.LiteralType):
            fits = any(type(one) is type(value) and one == value for one in kind.values)
            return None if fits else _other(path, (kind,), value)
        if type(kind) in _SCALARS:
            return self._scalar(value, kind, path)
        return None  # any value, or a type that JSON does not have

    def _union(self, value: object, kind: inspect.UnionType, path: Path) -> Mismatch | None:
        options = tuple(_bare(option) for option in kind.types)
        if isinstance(value, dict):
            structs = tuple(one for one in options if isinstance(one, inspect.StructType))
            if structs:
                return self._struct(value, structs, path)
        found: list[Mismatch] = []
        for option in options:
            mismatch = self.check(value, option, path)
            if mismatch is None:
                return None
            found.append(mismatch)
        # The option with the type of the value was meant; its mismatch is inside, or a bound.
        meant = [
            mismatch
            for mismatch, option in zip(found, options, strict=True)
            if mismatch.path != path or _is_alike(value, option)
        ]
        return meant[0] if len(meant) == 1 else _other(path, options, value)

    def _struct(
        self, value: object, kinds: Sequence[inspect.StructType], path: Path
    ) -> Mismatch | None:
        if not isinstance(value, dict):
            return _other(path, kinds, value)
        name = kinds[0].tag_field
        chosen = kinds[0]
        if name is not None:
            tag = value.get(name, _NO_VALUE)
            if tag is _NO_VALUE:
                if len(kinds) > 1:
                    return _missing(path, name)
            else:
                tagged = [one for one in kinds if type(one.tag) is type(tag) and one.tag == tag]
                if not tagged:
                    tags = ", ".join(sorted(repr(one.tag) for one in kinds))
                    return Mismatch((*path, name), f"expected {_one_of(len(kinds))}{tags}")
                chosen = tagged[0]
        return self._fields(value, chosen, path)

    def _fields(
        self, value: dict[str, object], kind: inspect.StructType, path: Path
    ) -> Mismatch | None:
        fields = {field.encode_name: field for field in kind.fields}
        for name, item in value.items():
            if name in fields:
                mismatch = self.check(item, fields[name].type, (*path, name))
                if mismatch is not None:
                    return mismatch
            elif kind.forbid_unknown_fields and name != kind.tag_field:
                return Mismatch((*path, name[:_LONGEST_NAME]), "there is no such field")
        for name, field in fields.items():
            if field.required and name not in value:
                return _missing(path, name)
        return None

    def _table(self, value: object, kind: inspect.DictType, path: Path) -> Mismatch | None:
        if not isinstance(value, dict):
            return _other(path, (kind,), value)
        items = (((*path, name[:_LONGEST_NAME]), item) for name, item in value.items())
        return self._items(items, kind.value_type) or _length(len(value), kind, path, "members")

    def _list(self, value: object, kind: Any, path: Path) -> Mismatch | None:
        if not isinstance(value, list):
            return _other(path, (kind,), value)
        if isinstance(kind, inspect.TupleType):
            return None  # not used in schemas
        items = (((*path, index), item) for index, item in enumerate(value))
        return self._items(items, kind.item_type) or _length(len(value), kind, path, "items")

    def _items(self, items: Iterator[tuple[Path, object]], kind: inspect.Type) -> Mismatch | None:
        for path, item in items:
            if (mismatch := self.check(item, kind, path)) is not None:
                return mismatch
        return None

    def _scalar(self, value: object, kind: inspect.Type, path: Path) -> Mismatch | None:
        try:
            found = msgspec.convert(value, _SCALARS[type(kind)], strict=self._strict)
        except msgspec.ValidationError:
            return _other(path, (kind,), value)
        if isinstance(kind, inspect.StrType):
            return _length(len(found), kind, path, "characters") or _pattern(found, kind, path)
        if isinstance(kind, inspect.IntType | inspect.FloatType) and not _is_within(found, kind):
            return Mismatch(path, f"expected {_noun(kind)}")
        return None


def _bare(kind: inspect.Type) -> inspect.Type:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def _missing(path: Path, name: str) -> Mismatch:
    return Mismatch((*path, name), "it is required", is_missing=True)


def _other(path: Path, kinds: Sequence[inspect.Type], value: object) -> Mismatch:
    """Return the mismatch of a value that has none of the expected types."""
    nouns = list(dict.fromkeys(_noun(kind) for kind in kinds))
    several = f"{', '.join(nouns[:-1])} or " if len(nouns) > 1 else ""
    got = "" if any(_is_alike(value, kind) for kind in kinds) else f", got {_noun_of(value)}"
    return Mismatch(path, f"expected {several}{nouns[-1]}{got}")


def _noun_of(value: object) -> str:
    return _NOUNS.get(type(value), "something else")


def _one_of(number: int) -> str:
    return "one of " if number > 1 else ""


def _noun(kind: inspect.Type) -> str:
    """Return a phrase that describes the values of a type."""
    kind = _bare(kind)
    if isinstance(kind, inspect.LiteralType):
        return _one_of(len(kind.values)) + ", ".join(map(repr, kind.values))
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return ("an integer" if isinstance(kind, inspect.IntType) else "a number") + _bounds(kind)
    if isinstance(kind, _LISTS):
        return "an array"
    if isinstance(kind, _OBJECTS):
        return "an object"
    named: dict[type[inspect.Type], str] = {
        inspect.NoneType: "null",
        inspect.BoolType: "a boolean",
        inspect.StrType: "a string",
    }
    return named.get(type(kind), "another value")


def _is_alike(value: object, kind: inspect.Type) -> bool:
    """Return whether a value has the JSON type of ``kind``."""
    kind = _bare(kind)
    if isinstance(kind, inspect.LiteralType):
        return any(type(one) is type(value) for one in kind.values)
    if isinstance(kind, inspect.FloatType):
        return type(value) in (int, float)
    if isinstance(kind, _LISTS):
        return isinstance(value, list)
    if isinstance(kind, _OBJECTS):
        return isinstance(value, dict)
    types = {inspect.BoolType: bool, inspect.IntType: int, inspect.StrType: str}
    return type(value) is types.get(type(kind))


def _limits(kind: Any) -> list[tuple[float | None, str, Callable[[float, float], bool]]]:
    return [
        (kind.ge, "of {} or more", lambda value, limit: value >= limit),
        (kind.gt, "above {}", lambda value, limit: value > limit),
        (kind.le, "up to {}", lambda value, limit: value <= limit),
        (kind.lt, "below {}", lambda value, limit: value < limit),
        (kind.multiple_of, "that is a multiple of {}", lambda value, limit: value % limit == 0),
    ]


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:g} to {kind.le:g}"
    named = [words.format(f"{limit:g}") for limit, words, _ in _limits(kind) if limit is not None]
    return f" {' and '.join(named)}" if named else ""


def _is_within(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    return all(fits(value, limit) for limit, _, fits in _limits(kind) if limit is not None)


def _length(length: int, kind: Any, path: Path, noun: str) -> Mismatch | None:
    if kind.min_length is not None and length < kind.min_length:
        if kind.min_length == 1:
            return Mismatch(path, "it must not be empty")
        return Mismatch(path, f"expected {kind.min_length} {noun} or more")
    if kind.max_length is not None and length > kind.max_length:
        return Mismatch(path, f"expected {kind.max_length} {noun} at most")
    return None


def _pattern(value: str, kind: inspect.StrType, path: Path) -> Mismatch | None:
    if kind.pattern is None:
        return None
    try:
        msgspec.convert(value, _patterned(kind.pattern))
    except msgspec.ValidationError:
        return Mismatch(path, f"expected text that matches {kind.pattern}")
    return None


@cache
def _patterned(pattern: str) -> Any:
    return Annotated[str, msgspec.Meta(pattern=pattern)]
