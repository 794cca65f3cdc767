"""Decodes the JSON of upstreams; ``null`` is read like a missing member.

Data is decoded strictly first.  Only if that fails, it is corrected by the declared type, so that
data of any type, such as arguments of tools, stays unchanged.  Besides ``null``, these are
corrected:

* numbers that are written as strings, and strings that are written as numbers or objects;
* one object where a list of objects is declared;
* an empty list, object or string where something else is declared counts as missing;
* bytes that are not UTF-8 become U+FFFD each.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.json_reader import NO_TEXT, TOO_DEEP
from antigravity.ir.surrogates import replace_broken_text

T = TypeVar("T")

_NULL: Final = b"null"
_LISTS: Final = (list, tuple)
_DICT: Final = msgspec.json.Decoder(dict[str, Raw])
_LIST: Final = msgspec.json.Decoder(list[Raw])


class LenientDecoder(Generic[T]):
    """A decoder of one type, to be reused: building it costs more than using it.

    Without ``strict``, numbers can also be strings.
    """

    def __init__(self, kind: Any, *, strict: bool = True) -> None:
        self._kind = kind
        self._decode: Any = msgspec.json.Decoder(kind, strict=strict).decode

    def decode(self, data: bytes | Raw) -> T:
        """Return the value in a JSON text.

        :raises msgspec.DecodeError: if it is not JSON, or not of the type.
        """
        try:
            try:
                value: T = self._decode(data)
            except msgspec.ValidationError:
                value = self._decode(_pruned(bytes(data), self._kind))
            except msgspec.DecodeError:
                if bytes(data).isascii():
                    raise
                text = replace_broken_text(bytes(data))
                value = self._decode(_pruned(text, self._kind))
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

    :raises msgspec.DecodeError: if it is not JSON, or not of the type.
    """
    return _decoder(kind, strict=strict).decode(data)


def convert(value: Any, kind: Any) -> Any:
    """Return a decoded JSON value as the type ``kind``.

    :raises msgspec.DecodeError: if it is not of the type.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return decode(msgspec.json.encode(value), kind)


def _pruned(data: bytes, kind: Any) -> bytes:
    """Return JSON text without members and items that are ``null`` against their type."""
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
    if values is None or not _has_members(values):
        return data
    members = _DICT.decode(data)
    return msgspec.json.encode(
        {
            name: Raw(_pruned(bytes(value), values))
            for name, value in members.items()
            if bytes(value) != _NULL
        }
    )


def _fitted(text: bytes, kind: Any) -> bytes | None:
    """Return a member's value corrected for ``kind``; ``None`` if it counts as missing."""
    options = _options(kind)
    if Any in options or Raw in options:
        return text
    begin = text[:1]
    if begin not in (b"{", b"["):
        return _fitted_scalar(text, kind, options)
    allows_lists = any(get_origin(each) in _LISTS for each in options)
    allows_objects = any(map(_is_object, options))
    if allows_lists if begin == b"[" else allows_objects:
        return _pruned(text, kind)
    if not text[1:-1].strip():
        return None
    if begin == b"{" and allows_lists:
        return _pruned(b"[%b]" % text, kind)
    return msgspec.json.encode(text.decode()) if str in options else text


def _fitted_scalar(text: bytes, kind: Any, options: tuple[Any, ...]) -> bytes | None:
    """Return a string, number or boolean corrected for ``kind``, if possible."""
    try:
        _decoder(kind).decode(text)
    except msgspec.ValidationError:
        pass
    else:
        return text
    value = msgspec.json.decode(text)
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            return msgspec.json.encode(msgspec.convert(value.strip(), kind, strict=False))
        except msgspec.ValidationError:
            return text
    if str in options:
        return msgspec.json.encode(text.decode())
    if isinstance(value, float) and value.is_integer() and int in options:
        return b"%d" % int(value)
    return text


def _is_object(kind: Any) -> bool:
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, Struct | dict))


def _pruned_list(data: bytes, kind: Any) -> bytes:
    if not _has_members(kind):
        return data
    items = [bytes(item) for item in _LIST.decode(data)]
    return msgspec.json.encode([Raw(_pruned(item, kind)) for item in items if item != _NULL])


def _pruned_object(data: bytes, structs: list[type[Struct]]) -> bytes:
    """Return an object of one of several types; the first with a member determines its type."""
    known: dict[str, Any] = {}
    for each in reversed(structs):
        known.update(_members(each))
    out: dict[str, Raw] = {}
    for name, value in _DICT.decode(data).items():
        text = bytes(value)
        if name not in known:
            out[name] = value
        elif text != _NULL:
            fitted = _fitted(text, known[name])
            if fitted is not None:
                out[name] = Raw(fitted)
    return msgspec.json.encode(out)


@cache
def _members(kind: type[Struct]) -> Mapping[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


def _options(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the type itself."""
    arguments = get_args(kind)
    if arguments and get_origin(kind) not in (*_LISTS, dict):
        return arguments
    return (kind,)


def _has_members(kind: Any) -> bool:
    """Return whether a type has declared members anywhere."""
    for each in _options(kind):
        if isinstance(each, type) and issubclass(each, Struct):
            return True
        if get_origin(each) in (*_LISTS, dict) and any(map(_has_members, get_args(each))):
            return True
    return False
