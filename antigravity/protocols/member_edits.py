"""Rename members of a JSON object or leave them out; all others stay byte for byte.  Sans-IO."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias, Union

import msgspec
from msgspec import Raw

from antigravity.protocols.json_body import END_OF_OBJECT, begin_of_value, load_members
from antigravity.protocols.parameter_refusals import NESTED, parameter_of

#: By name, what happens to a member: its new name, ``None`` if it is left out, or what happens to
#: the members of its value, an object.
Edits: TypeAlias = Mapping[str, Union[str, "Edits", None]]


def find_edits(
    members: Mapping[str, Raw], names: Collection[str], renamed: Mapping[str, str]
) -> Edits:
    """Return the edits that leave the parameters ``names`` out of the members of a request.

    A member in ``renamed`` gets the name there instead, if the request does not have that too.
    """
    edits: dict[str, str | Edits | None] = {}
    for name, value in members.items():
        if name in renamed:
            edits[name] = None if renamed[name] in members else renamed[name]
        elif parameter_of(name) in names:
            edits[name] = None
        elif name in NESTED and (inner := find_edits(_members(value), names, {})):
            edits[name] = inner
    return edits


def list_edits(edits: Edits, at: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the path of each edited member, and its new name (``None``: it is left out)."""
    for name, edit in edits.items():
        if edit is None or isinstance(edit, str):
            yield at + name, edit
        else:
            yield from list_edits(edit, f"{at}{name}.")


def apply_edits(body: bytes, edits: Edits) -> bytes:
    """Return a JSON object with edited members; an object that loses all of them is left out.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    members = load_members(body)
    pieces: list[bytes] = []
    place = 0
    for name, value in members.items():
        begin = begin_of_value(body, place, name)
        if begin < 0:
            return _rebuilt(members, edits)
        end = begin + memoryview(value).nbytes
        key, found = body[place:begin], _edited(name, value, edits)
        place = end
        if found is None:
            continue
        new, content = found
        if new != name:
            key = b",%b:" % msgspec.json.encode(new)
        if not pieces:
            key = b"{" + key.lstrip()[1:]
        pieces += (key, content)
    if not END_OF_OBJECT.match(body, place):
        return _rebuilt(members, edits)
    return b"".join((*(pieces or [b"{"]), body[place:]))


def _edited(name: str, value: Raw, edits: Edits) -> tuple[str, bytes] | None:
    """Return what becomes of a member: name and JSON, ``None`` if it is left out."""
    if name not in edits:
        return name, bytes(value)
    edit = edits[name]
    if edit is None:
        return None
    if isinstance(edit, str):
        return edit, bytes(value)
    inner = apply_edits(bytes(value), edit)
    return None if load_members(inner) == {} else (name, inner)


def _rebuilt(members: Mapping[str, Raw], edits: Edits) -> bytes:
    """Return an object encoded again, because it has a member twice."""
    found = [_edited(name, value, edits) for name, value in members.items()]
    return msgspec.json.encode({each[0]: Raw(each[1]) for each in found if each is not None})


def _members(value: Raw) -> dict[str, Raw]:
    """Return the members of an object, none of any other value."""
    try:
        return msgspec.json.decode(value, type=dict[str, Raw])
    except (ValueError, RecursionError):
        return {}
