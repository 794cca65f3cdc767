"""What a request carries, seen without decoding it: for bodies that may pass as they are.

The members of an object are found at the speed of scanning; inside of them only marks are
looked for.  A mark that stands in a text of its own is a false alarm, which costs a
translation and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities

Members = Mapping[str, Raw]
#: Whether members have something that a model of such capabilities may not take.
Check = Callable[[Members, Capabilities], bool]


def members(data: Raw | bytes) -> dict[str, Raw]:
    """Return the members of an object, none if it is no object."""
    try:
        return msgspec.json.decode(data, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def elements(data: Raw | bytes) -> list[Raw]:
    """Return the elements of an array, none if it is no array."""
    try:
        return msgspec.json.decode(data, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def given(found: Members, *names: str) -> bool:
    """Return whether one of the members is there and not null."""
    return any(name in found and bytes(found[name]) != b"null" for name in names)


def marked(found: Members, names: tuple[str, ...], *marks: bytes) -> bool:
    """Return whether one of the members has one of the marks in it."""
    for name in names:
        if name in found:
            data = bytes(found[name])
            if any(mark in data for mark in marks):
                return True
    return False


def above(found: Members, limit: int | None, *names: str) -> bool:
    """Return whether one of the members is a number above ``limit``."""
    if limit is None:
        return False
    for name in names:
        value: Any = msgspec.json.decode(found[name]) if name in found else None
        if isinstance(value, int | float) and value > limit:
            return True
    return False


def count(found: Members, *names: str) -> int:
    """Return the number in the first of the members that is there; 1 if none makes sense."""
    for name in names:
        if name in found:
            try:
                return max(1, msgspec.json.decode(found[name], type=int))
            except msgspec.DecodeError:
                return 1
    return 1


def lacking(
    capabilities: Capabilities, marks: Mapping[str, tuple[bytes, ...]]
) -> tuple[bytes, ...]:
    """Return the marks of the kinds of media that a model can't read."""
    return tuple(
        mark for kind, found in marks.items() if not capabilities.reads(kind) for mark in found
    )


def any_of(
    checks: Mapping[Aspect, Check], found: Members, aspects: Aspects, capabilities: Capabilities
) -> bool:
    """Return whether the check of one of the aspects says so."""
    return any(checks[aspect](found, capabilities) for aspect in aspects if aspect in checks)
