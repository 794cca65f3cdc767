"""Every member and value that an SDK's types allow in a request, one at a time."""

from __future__ import annotations

import collections.abc
import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import typing_extensions

_LISTS: Final = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)
_MAPPINGS: Final = (dict, collections.abc.Mapping)
_SIMPLE: Final[dict[Any, tuple[Any, ...]]] = {
    str: ("text", ""),
    int: (1, 0),
    float: (0.5, 0, 1.0),
    bool: (True, False),
    bytes: ("AAAA",),
    type(None): (None,),
    Any: ("anything",),
    object: ("anything",),
}
#: The types of a request are nested less deeply than that; some of them contain themselves.
DEPTH: Final = 7
#: A value that no provider has yet.
NEW: Final = "newer_than_the_gateway"


class Sample(NamedTuple):
    """A body that differs from the simplest one in one place, and the path of that place."""

    path: str
    body: dict[str, Any]


def samples(
    kind: Any, base: Mapping[str, Any], *, depth: int = DEPTH, new: bool = False
) -> Iterator[Sample]:
    """Yield bodies of an object, each with one more member or another value.

    :param kind: a ``TypedDict``, a model, or the types of members by their names.
    :param base: the body to which a member is added; its own members are varied, too.
    :param depth: how deeply members are varied.
    :param new: yield members and values that the types do not have, too.
    """
    walk = _Walk(new=new)
    for name, member in _members(kind).items():
        seen: set[str] = set()  # the alternatives of a type have members in common
        for path, value in walk.values(member, depth):
            text = json.dumps(value, sort_keys=True)
            if text not in seen:
                seen.add(text)
                yield Sample(f"{name}{path}", {**base, name: value})
    if new:
        yield Sample(NEW, {**base, NEW: {"of": [1, None, "any kind"]}})


def _is_model(kind: Any) -> bool:
    """Return whether a type is a model of Pydantic, whose members all have defaults."""
    return isinstance(kind, type) and hasattr(kind, "model_fields")


def _members(kind: Any) -> dict[str, Any]:
    """Return the members of an object by their names on the wire."""
    if isinstance(kind, dict):
        return kind
    if _is_model(kind):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    hints: dict[str, Any] = typing_extensions.get_type_hints(kind, include_extras=True)
    return hints


def _is_required(kind: Any, name: str, member: Any) -> bool:
    if _is_model(kind):
        return False
    origin = typing.get_origin(member)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired):
        return origin is typing_extensions.Required
    # The annotations of some modules are texts, in which Python does not see the marks.
    return name in kind.__required_keys__ and bool(kind.__total__)


class _Walk:
    """A walk over types that yields values, the simplest first, with the path of a difference."""

    def __init__(self, *, new: bool) -> None:
        self._new = new

    def values(self, kind: Any, depth: int) -> Iterator[tuple[str, Any]]:
        """Yield values of a type."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind in _SIMPLE:
            yield from (("", value) for value in _SIMPLE[kind])
        elif origin in (typing.Literal, typing_extensions.Literal):
            yield from self._choices(arguments)
        elif isinstance(kind, type) and issubclass(kind, enum.Enum):
            yield from self._choices(tuple(each.value for each in kind))
        elif origin in (typing.Union, types.UnionType):
            for each in arguments:
                yield from self.values(each, depth)
        elif origin in (
            typing.Annotated,
            typing_extensions.Required,
            typing_extensions.NotRequired,
        ):
            yield from self.values(arguments[0], depth)
        elif typing_extensions.is_typeddict(kind) or _is_model(kind):
            yield from self._objects(kind, depth)
        elif origin in _LISTS:
            for path, value in self.values(arguments[0], depth - 1) if depth else ():
                yield f"[0]{path}", [value]
            yield "", []
        elif origin in _MAPPINGS or kind is dict:
            inner = arguments[1] if arguments else str
            for path, value in self.values(inner, depth - 1) if depth else ():
                yield f".key{path}", {"key": value}
            yield "", {}

    def _choices(self, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        yield from (("", value) for value in values)
        if self._new and isinstance(values[0], str):
            yield "", NEW

    def _objects(self, kind: Any, depth: int) -> Iterator[tuple[str, Any]]:
        members = _members(kind)
        base: dict[str, Any] = {}
        for name, member in members.items():
            if _is_required(kind, name, member):
                first = next(self.values(member, depth - 1), None) if depth else None
                if first is None:  # too deep, or not a value of JSON
                    return
                base[name] = first[1]
        yield "", base
        for name, member in members.items():
            required = _is_required(kind, name, member)
            for place, (path, value) in enumerate(self.values(member, depth - 1) if depth else ()):
                if not required or place:
                    yield f".{name}{path}", {**base, name: value}
