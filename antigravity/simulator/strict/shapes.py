"""What types the members of a body have; pure.

A shape is one of the names below, a dict of members, a list of one shape for all items of an
array, or a tuple of shapes of which one must fit.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

TEXT: Final = "string"
NUMBER: Final = "number"
INTEGER: Final = "integer"
BOOLEAN: Final = "boolean"
OBJECT: Final = "object"
ARRAY: Final = "array"

Path = tuple[str | int, ...]


class MismatchError(Exception):
    """A member of another type than it should be."""

    def __init__(self, path: Path, expected: str, value: Any) -> None:
        super().__init__(path, expected, value)
        self.path = path
        self.expected = expected
        self.got = kind_of(value)


class _Problem(NamedTuple):
    path: Path
    expected: str
    value: Any


def kind_of(value: Any) -> str:
    """Return the name of a value's type, as JSON has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return TEXT
    if isinstance(value, int):
        return INTEGER
    if isinstance(value, float):
        return NUMBER
    return ARRAY if isinstance(value, list) else OBJECT


def conform(value: Any, shape: Any) -> Any:
    """Return ``value`` without members that are null, which count as missing.

    :raises MismatchError: naming the first member of another type.
    """
    conformed, problem = _conform(value, shape, ())
    if problem is not None:
        raise MismatchError(*problem)
    return conformed


def name_of(shape: Any) -> str:
    """Return what a shape is called in messages."""
    if isinstance(shape, tuple):
        return f"one of {' or '.join(map(name_of, shape))}"
    if isinstance(shape, list):
        return f"array of {name_of(shape[0])}s"
    return OBJECT if isinstance(shape, dict) else str(shape)


def _conform(value: Any, shape: Any, path: Path) -> tuple[Any, _Problem | None]:
    if isinstance(shape, tuple):
        problem: _Problem | None = None
        for each in shape:
            conformed, found = _conform(value, each, path)
            if found is None:
                return conformed, None
            if len(found.path) > len(path):
                problem = found  # the right type, but something in it is wrong
        return value, problem or _Problem(path, name_of(shape), value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return value, _Problem(path, OBJECT, value)
        return _members(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return value, _Problem(path, name_of(shape), value)
        items = []
        for index, item in enumerate(value):
            conformed, problem = _conform(item, shape[0], (*path, index))
            if problem is not None:
                return value, problem
            items.append(conformed)
        return items, None
    kind = kind_of(value)
    if kind == shape or (shape == NUMBER and kind == INTEGER):
        return value, None
    return value, _Problem(path, name_of(shape), value)


def _members(
    value: dict[str, Any], shape: dict[str, Any], path: Path
) -> tuple[Any, _Problem | None]:
    members = {}
    for name, member in value.items():
        if name not in shape:
            members[name] = member
        elif member is not None:
            members[name], problem = _conform(member, shape[name], (*path, name))
            if problem is not None:
                return value, problem
    return members, None
