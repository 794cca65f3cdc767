"""Reads a client's JSON: both spellings of every field, and errors that name the field."""

from __future__ import annotations

import types
from functools import cache
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.mismatch import find_mismatch
from antigravity.protocols.gemini.schema import Content, Part

W = TypeVar("W", bound=Struct)


class _Field(NamedTuple):
    """A field's name on the wire, and the type of the messages inside it, if any."""

    wire: str
    message: type[Struct] | None
    listed: bool


def reject(param: str, problem: str) -> InvalidRequestError:
    """Return an error about the field at ``param``."""
    return InvalidRequestError(f"Invalid value at '{dotted(param)}': {problem}", param=param)


def dotted(param: str) -> str:
    """Return ``$.contents[0].role`` as Google's API writes it: ``contents[0].role``."""
    return param.removeprefix("$").removeprefix(".")


def normalize(value: Any, kind: type[Struct]) -> Any:
    """Return a message with every known field under its camel-case name.

    ``null`` means absent, one message stands for a list of one, and text stands for a turn
    or a part.  Unknown fields stay as they are.
    """
    value = _coerce(value, kind)
    if not isinstance(value, dict):
        return value
    fields = _fields(kind)
    result: dict[str, Any] = {}
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            result[key] = item
        elif item is not None and (key == field.wire or field.wire not in result):
            result[field.wire] = _normalize_field(item, field)
    return result


def read(value: Any, kind: type[W], at: str = "$") -> W:
    """Return a message from :func:`normalize` as its struct.

    :raises InvalidRequestError: if a field is not valid; the error names it.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        found = find_mismatch(value, kind, strict=False)
        raise reject(found.at(at), found.problem) from None


def unknown_fields(value: Any, kind: type[Struct]) -> dict[str, Any]:
    """Return the fields of a message from :func:`normalize` that its struct does not know."""
    if not isinstance(value, dict):
        return {}
    names = _fields(kind)
    return {key: item for key, item in value.items() if key not in names and item is not None}


def _normalize_field(value: Any, field: _Field) -> Any:
    """Return a field's value with normalized messages."""
    if field.listed:
        items = value if isinstance(value, list) else [value]
        if field.message is None:
            return items
        return [normalize(item, field.message) for item in items]
    return value if field.message is None else normalize(value, field.message)


def _coerce(value: Any, kind: type[Struct]) -> Any:
    """Return the message that a shorthand stands for."""
    if kind is Content:
        if isinstance(value, str):
            return {"parts": [value]}
        if isinstance(value, list):
            return {"parts": value}
    elif kind is Part and isinstance(value, str):
        return {"text": value}
    return value


@cache
def _fields(kind: type[Struct]) -> dict[str, _Field]:
    """Return the fields of a message by each of their spellings."""
    fields: dict[str, _Field] = {}
    for info in msgspec.structs.fields(kind):
        options = (
            get_args(info.type)
            if get_origin(info.type) in (Union, types.UnionType)
            else (info.type,)
        )
        field = _Field(info.encode_name, None, False)
        for option in options:
            listed = get_origin(option) is list
            inner = get_args(option)[0] if listed else option
            message = inner if isinstance(inner, type) and issubclass(inner, Struct) else None
            if listed or message is not None:
                field = _Field(info.encode_name, message, listed)
        fields[info.encode_name] = fields[info.name] = field
    return fields
