"""Decodes the JSON of upstreams; ``null`` is read like a missing member.

Whatever a type declares is read at full speed first.  Only what does not fit is looked through for
``null``, by the type, so that what is the model's own (arguments of tools, say) stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.json_reader import NO_TEXT, TOO_DEEP

T = TypeVar("T")

_NULL: Final = b"null"
_LISTS: Final = (list, tuple)
_DICT: Final = msgspec.json.Decoder(dict[str, Raw])
_LIST: Final = msgspec.json.Decoder(list[Raw])


class LenientDecoder(Generic[T]):
    """Decodes one type.  Make it once: building it costs more than using it.

    Without ``strict`` numbers may also be written as text.
    """

    def __init__(self, kind: Any, *, strict: bool = True) -> None:
        self._kind = kind
        self._decode: Any = msgspec.json.Decoder(kind, strict=strict).decode

    def decode(self, data: bytes | Raw) -> T:
        """Return the value in a JSON text.

        :raises msgspec.DecodeError: if it is none, or does not fit.
        """
        try:
            try:
                value: T = self._decode(data)
            except msgspec.ValidationError:
                value = self._decode(_pruned(bytes(data), self._kind))
        except RecursionError:
            raise msgspec.DecodeError(TOO_DEEP) from None
        except UnicodeDecodeError:
            raise msgspec.DecodeError(NO_TEXT) from None
        return value


@cache
def _decoder(kind: Any, *, strict: bool = True) -> LenientDecoder[Any]:
    return LenientDecoder(kind, strict=strict)


def decode(data: bytes | Raw, kind: Any, *, strict: bool = True) -> Any:
    """Return the value of type ``kind`` in a JSON text.

    :raises msgspec.DecodeError: if it is none, or does not fit.
    """
    return _decoder(kind, strict=strict).decode(data)


def convert(value: Any, kind: Any) -> Any:
    """Return a decoded JSON value as the type ``kind``.

    :raises msgspec.DecodeError: if it does not fit.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return decode(msgspec.json.encode(value), kind)


def _pruned(data: bytes, kind: Any) -> bytes:
    """Return JSON text without the members and items that are ``null`` against their type."""
    options = _options(kind)
    start = data.lstrip()[:1]
    if start == b"[":
        items = next((get_args(each)[0] for each in options if get_origin(each) in _LISTS), None)
        return data if items is None else _pruned_list(data, items)
    if start != b"{":
        return data
    structs = [each for each in options if isinstance(each, type) and issubclass(each, Struct)]
    if structs:
        return _pruned_object(data, structs)
    values = next((get_args(each)[1] for each in options if get_origin(each) is dict), None)
    if values is None or not _may_have_members(values):
        return data
    members = _DICT.decode(data)
    return msgspec.json.encode(
        {
            name: Raw(_pruned(bytes(value), values))
            for name, value in members.items()
            if bytes(value) != _NULL
        }
    )


def _pruned_list(data: bytes, kind: Any) -> bytes:
    if not _may_have_members(kind):
        return data
    items = [bytes(item) for item in _LIST.decode(data)]
    return msgspec.json.encode([Raw(_pruned(item, kind)) for item in items if item != _NULL])


def _pruned_object(data: bytes, structs: list[type[Struct]]) -> bytes:
    """Return an object of one of several types; what a member is, the first that has it says."""
    known: dict[str, Any] = {}
    for each in reversed(structs):
        known.update(_members(each))
    out: dict[str, Raw] = {}
    for name, value in _DICT.decode(data).items():
        text = bytes(value)
        if name not in known:
            out[name] = value
        elif text != _NULL:
            out[name] = Raw(_pruned(text, known[name]))
    return msgspec.json.encode(out)


@cache
def _members(kind: type[Struct]) -> Mapping[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


def _options(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type that it is."""
    arguments = get_args(kind)
    if arguments and get_origin(kind) not in (*_LISTS, dict):
        return arguments
    return (kind,)


def _may_have_members(kind: Any) -> bool:
    """Return whether there are declared members somewhere in a type."""
    for each in _options(kind):
        if isinstance(each, type) and issubclass(each, Struct):
            return True
        if get_origin(each) in (*_LISTS, dict) and any(map(_may_have_members, get_args(each))):
            return True
    return False
