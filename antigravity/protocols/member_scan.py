"""Scans the members of a body without decoding them, for native pass-through.

Inside a member only marks (byte strings) are searched.  A mark in a text is a false alarm, which
only costs a translation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from antigravity.ir.aspects import Aspect, Aspects
from antigravity.ir.capabilities import Capabilities

Members = Mapping[str, Raw]
#: Returns whether members have something that a model with these capabilities may reject.
Check = Callable[[Members, Capabilities], bool]


def members(data: Raw | bytes) -> dict[str, Raw]:
    """Return the members of an object, or an empty dict if it is not one."""
    try:
        return msgspec.json.decode(data, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def elements(data: Raw | bytes) -> list[Raw]:
    """Return the elements of an array, or an empty list if it is not one."""
    try:
        return msgspec.json.decode(data, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def has_member(fields: Members, *names: str) -> bool:
    """Return whether one of the members exists and is not null."""
    return any(name in fields and bytes(fields[name]) != b"null" for name in names)


def contains_mark(fields: Members, names: tuple[str, ...], *marks: bytes) -> bool:
    """Return whether one of the members contains one of the marks."""
    for name in names:
        if name in fields:
            data = bytes(fields[name])
            if any(mark in data for mark in marks):
                return True
    return False


def exceeds(fields: Members, limit: int | None, *names: str) -> bool:
    """Return whether one of the members is a number above ``limit``."""
    if limit is None:
        return False
    for name in names:
        value: Any = msgspec.json.decode(fields[name]) if name in fields else None
        if isinstance(value, int | float) and value > limit:
            return True
    return False


def count(fields: Members, *names: str) -> int:
    """Return the number in the first of the members that exists, at least 1."""
    for name in names:
        if name in fields:
            try:
                return max(1, msgspec.json.decode(fields[name], type=int))
            except msgspec.DecodeError:
                return 1
    return 1


def unread_marks(
    capabilities: Capabilities, marks: Mapping[str, tuple[bytes, ...]]
) -> tuple[bytes, ...]:
    """Return the marks of the kinds of media that a model cannot read."""
    return tuple(
        mark for kind, texts in marks.items() if not capabilities.reads(kind) for mark in texts
    )


def uses_any(
    checks: Mapping[Aspect, Check], fields: Members, aspects: Aspects, capabilities: Capabilities
) -> bool:
    """Return whether the check of one of the aspects is true."""
    return any(checks[aspect](fields, capabilities) for aspect in aspects if aspect in checks)
