"""Describe JSON values with ``msgspec`` types, and name what does not fit them; pure.

Each service reports the field at fault in its own wording, and treats null as a missing member.
So a value is read along its type, as :mod:`msgspec.inspect` describes it.  The problems found are
values, which the service's error renderer turns into its error body.  Bodies stay dictionaries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta, inspect

Path = tuple[str | int, ...]
ProblemKind = Literal[
    "missing", "unknown", "type", "choice", "tag", "short", "long", "pattern", "range"
]
_JSON_TYPES: Final = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
_JSON_NAMES: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.ListType: "array",
    inspect.StructType: "object",
    inspect.DictType: "object",
    inspect.StrType: "string",
    inspect.LiteralType: "string",
}


class Tag(str):
    """A step of a path that names which struct of a union was chosen."""

    __slots__ = ()


class Problem(NamedTuple):
    """Something that does not fit.

    ``expected`` are the values allowed (choice, tag), the bound (short, long), the pattern, or
    the :mod:`msgspec.inspect` type (type, range).
    """

    kind: ProblemKind
    path: Path
    value: Any = None
    expected: Any = None


def struct(
    fields: Mapping[str, Any],
    *,
    tag: str | None = None,
    closed: bool = False,
    required: bool = True,
    name: str = "Struct",
    module: str = __name__,
) -> Any:
    """Return a ``Struct`` type.

    :param tag: the value of ``type`` that tells it from the others of a union.
    :param closed: whether unknown fields are refused.
    :param required: whether a field must be there, unless its type allows ``None``.
    :param module: where names of types in ``fields`` are looked up.
    """
    names = {f"field_{number}": each for number, each in enumerate(fields)}
    declared = [
        (each, kind)
        if required and kind is not Any and type(None) not in get_args(kind)
        else (each, kind, None)
        for each, kind in zip(names, fields.values(), strict=True)
    ]
    return msgspec.defstruct(
        name,
        declared,
        module=module,
        kw_only=True,
        rename=names,
        tag=tag,
        tag_field=None if tag is None else "type",
        forbid_unknown_fields=closed,
    )


def array(kind: Any, **limits: Any) -> Any:
    """Return the type of a list, with ``min_length`` and ``max_length``."""
    items = list[kind]
    return Annotated[items, Meta(**limits)] if limits else items


def choice(names: str, title: str = "", any_case: bool = False) -> Any:
    """Return the type of an enumeration of these names.

    :param title: what errors call it.
    :param any_case: whether the case of letters is ignored.
    """
    values = tuple(names.split())
    extra = {"values": values, "title": title, "any_case": any_case}
    return Annotated[Literal[values], Meta(extra=extra)]


def optional(kind: Any, names: str) -> dict[str, Any]:
    """Return fields of one type that may be missing."""
    return dict.fromkeys(names.split(), kind if kind is Any else kind | None)


def tagged(
    union: Any, *, others: str, kind: Any, listed: Sequence[str] = (), default: str | None = None
) -> Any:
    """Return a union of tagged structs that accepts more.

    :param others: a pattern of more tags, whose objects are of ``kind``.
    :param listed: those of them that errors name.
    :param default: the tag of an object without one.
    """
    extra = {"others": re.compile(others), "kind": kind, "listed": listed, "default": default}
    return Annotated[union, Meta(extra=extra)]


@cache
def describe(kind: Any) -> Any:
    """Return how :mod:`msgspec.inspect` describes a type."""
    return inspect.type_info(kind)


def read_value(value: Any, kind: Any) -> tuple[Any, list[Problem]]:
    """Return ``value`` without members that are null, and its problems in order."""
    reader = _Reader()
    return reader.read(value, describe(kind), ()), reader.problems


def json_type(value: Any) -> str:
    """Return the JSON name of a value's type; whole numbers are integers."""
    return _JSON_TYPES[type(value)]


def name_type(kind: inspect.Type) -> str:
    """Return what the values of a type are called in messages."""
    kind, meta = without_metadata(kind)
    if meta.get("title"):
        return str(meta["title"])
    if isinstance(kind, inspect.UnionType):
        names = list(dict.fromkeys(map(name_type, without_null(kind))))
        return names[0] if len(names) == 1 else f"one of {' or '.join(names)}"
    name = _JSON_NAMES[type(kind)]
    if isinstance(kind, inspect.ListType) and not isinstance(kind.item_type, inspect.AnyType):
        return f"array of {name_type(kind.item_type)}s"
    return name


def without_metadata(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """Return a type without its annotations, and those."""
    meta: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata):
        meta |= {**(kind.extra_json_schema or {}), **(kind.extra or {})}
        kind = kind.type
    return kind, meta


def without_null(kind: inspect.UnionType) -> list[inspect.Type]:
    """Return the types of a union but for null."""
    return [one for one in kind.types if not isinstance(one, inspect.NoneType)]


def _is_alike(value: Any, kind: inspect.Type) -> bool:
    """Return whether a value is of the JSON type of a type."""
    kind, _ = without_metadata(kind)
    if isinstance(kind, inspect.UnionType):
        return any(_is_alike(value, option) for option in without_null(kind))
    found, expected = json_type(value), _JSON_NAMES.get(type(kind))
    return expected in (None, found) or (found == "integer" and expected == "number")


class _Reader:
    """Reads one value; collects its problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        kind, meta = without_metadata(kind)
        if not _is_alike(value, kind):
            self._add("type", path, value, kind)
            return value
        match kind:
            case inspect.UnionType():
                options = without_null(kind)
                structs = [one for one in options if isinstance(one, inspect.StructType)]
                if isinstance(value, dict) and structs:
                    return self._object(value, structs, meta, path)
                return self.read(value, next(o for o in options if _is_alike(value, o)), path)
            case inspect.StructType():
                return self._object(value, [kind], meta, path)
            case inspect.DictType():
                inner = kind.value_type
                return {n: self.read(item, inner, (*path, n)) for n, item in value.items()}
            case inspect.ListType():
                self._check_length(value, kind, path)
                inner = kind.item_type
                return [self.read(item, inner, (*path, n)) for n, item in enumerate(value)]
            case inspect.LiteralType() if value not in meta["values"]:
                self._add("choice", path, value, meta["values"])
            case inspect.StrType():
                self._check_length(value, kind, path)
                if kind.pattern is not None and not re.fullmatch(kind.pattern, value):
                    self._add("pattern", path, value, kind.pattern)
            case inspect.IntType() | inspect.FloatType():
                low, high = kind.ge, kind.le
                if (low is not None and value < low) or (high is not None and value > high):
                    self._add("range", path, value, kind)
        return value

    def _object(
        self,
        value: dict[str, Any],
        kinds: Sequence[inspect.StructType],
        meta: dict[str, Any],
        path: Path,
    ) -> dict[str, Any]:
        kind, field = kinds[0], kinds[0].tag_field
        if field is None:
            return self._members(value, kind, path)
        tag = value.get(field)
        tag = meta.get("default") if tag is None else tag
        chosen = next((one for one in kinds if one.tag == tag), None)
        if tag is None:
            self._add("missing", (*path, field))
        elif not isinstance(tag, str):
            self._add("type", (*path, field), tag, describe(str))
        elif chosen is not None:
            path = (*path, Tag(tag)) if meta or len(kinds) > 1 else path
            return self._members(value, chosen, path)
        elif meta and meta["others"].fullmatch(tag):
            return self._members(value, describe(meta["kind"]), path)
        else:
            tags = (*(one.tag for one in kinds), *meta.get("listed", ()))
            self._add("tag", (*path, field), tag, tags)
        return value

    def _members(
        self, value: dict[str, Any], kind: inspect.StructType, path: Path
    ) -> dict[str, Any]:
        fields = {field.encode_name: field for field in kind.fields}
        found: dict[str, Any] = {}
        for name, item in value.items():
            if name not in fields:
                found[name] = item
                if kind.forbid_unknown_fields and name != kind.tag_field:
                    self._add("unknown", (*path, name), item)
            elif item is not None:
                found[name] = self.read(item, fields[name].type, (*path, name))
        for name, field in fields.items():
            if field.required and value.get(name) is None:
                self._add("missing", (*path, name))
        return found

    def _check_length(self, value: Any, kind: Any, path: Path) -> None:
        if kind.min_length is not None and len(value) < kind.min_length:
            self._add("short", path, value, kind.min_length)
        if kind.max_length is not None and len(value) > kind.max_length:
            self._add("long", path, value, kind.max_length)

    def _add(self, kind: ProblemKind, path: Path, value: Any = None, expected: Any = None) -> None:
        self.problems.append(Problem(kind, path, value, expected))
