"""JSON bodies of requests: decoding with errors that name fields, peeking, changing the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import Call, Head
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_reader import decode
from antigravity.ir.mismatch import find_mismatch

T = TypeVar("T")

#: The allowed values of fields: a pattern for the whole path, and the values.
Allowed = Sequence[tuple[re.Pattern[str], tuple[str, ...]]]

_KEY: Final = re.compile(rb'\s*[,{]\s*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)
_WHITESPACE: Final = b" \t\r\n"
#: The end of an object behind its last member.
END_OF_OBJECT: Final = re.compile(rb"\s*}\s*\Z")


#: The values of a switch.
_SWITCHES: Final = {b"true": True, b"false": False, b"null": False}

#: The key of a body's members in the memo of its call.
_MEMO: Final = "members"


class _HeadBody(Struct):
    model: str
    stream: bool | None = None


class _OptionalHead(Struct):
    model: str | None = None
    stream: bool | None = None


def load_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    return decode_object(body, dict[str, Any])


def load_members(body: bytes) -> dict[str, Raw]:
    """Return the members of the JSON object in ``body``; their values are not decoded.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    return decode_object(body, dict[str, Raw])


def decode_object(body: bytes, kind: type[T]) -> T:
    """Return the JSON object in ``body`` as ``kind``.

    :raises InvalidRequestError: if it is not a JSON object, or naming the field at fault.
    """
    try:
        try:
            return decode(body, kind)
        except msgspec.ValidationError as error:
            raise invalid(decode(body), kind) from error
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"The request body is not valid JSON: {error}.") from error


def members_of(call: Call) -> Mapping[str, Raw]:
    """Return the members of a call's body; each body is parsed once.

    :raises InvalidRequestError: if the body is not a JSON object.
    """
    known = call.memo.get(_MEMO)
    if known is None or known[0] is not call.body:
        known = call.memo[_MEMO] = (call.body, load_members(call.body))
    members: Mapping[str, Raw] = known[1]
    return members


def convert(
    value: Any, kind: Any, at: str = "", allowed: Allowed = (), *, strict: bool = True
) -> Any:
    """Return a decoded JSON value as the type ``kind``.

    ``at`` is the path of ``value`` in the body.  Without ``strict``, text can stand for a number
    or a boolean, as in forms.

    :raises InvalidRequestError: naming the field at fault and its allowed values.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise invalid(value, kind, at, allowed, strict=strict) from error


def invalid(
    value: object, kind: Any, at: str = "", allowed: Allowed = (), *, strict: bool = True
) -> InvalidRequestError:
    """Return the error for a value at ``at`` that is not of ``kind``."""
    found = find_mismatch(value, kind, strict=strict)
    path = found.at(at)
    if found.is_missing:
        return bad_field(path, "is required", _values(path, allowed))
    if not path:
        return InvalidRequestError(f"The request body must be a JSON object: {found.problem}.")
    return bad_field(path, f"is invalid: {found.problem}", _values(path, allowed))


def bad_field(path: str, problem: str, values: Sequence[str] = ()) -> InvalidRequestError:
    """Return an error about one field, with its allowed values."""
    hint = f" Allowed values: {', '.join(values)}." if values else ""
    return InvalidRequestError(f"`{path}` {problem}.{hint}", param=path)


def join(at: str, path: str) -> str:
    """Return the path of ``path`` inside ``at``."""
    if not at or not path:
        return at or path
    return at + path if path.startswith("[") else f"{at}.{path}"


def _values(path: str, allowed: Allowed) -> tuple[str, ...]:
    for pattern, values in allowed:
        if pattern.fullmatch(path):
            return values
    return ()


def peek(call: Call) -> Head:
    """Return model and streaming switch of a call whose body names the model.

    :raises InvalidRequestError: if the body is not a JSON object or does not name a model.
    """
    members = members_of(call)
    stream = _SWITCHES.get(bytes(members.get("stream", b"null")))
    if stream is not None and (name := _plain_text(members.get("model"))):
        return Head(name, stream)
    head = decode_object(beginning(members), _HeadBody)
    if not head.model:
        raise bad_field("model", "must not be empty")
    return Head(head.model, bool(head.stream))


def peek_optional(call: Call) -> Head:
    """Return model and streaming switch of a call whose body need not name the model.

    :raises InvalidRequestError: if the body is not a JSON object, or one of them is not valid.
    """
    head = decode_object(beginning(members_of(call)), _OptionalHead)
    return Head(head.model or "", bool(head.stream))


def _plain_text(raw: Raw | None) -> str:
    """Return a JSON string of printable ASCII without escapes, ``""`` if it is something else."""
    text = b"" if raw is None else bytes(raw)
    if text[:1] != b'"' or b"\\" in text or not text.isascii():
        return ""
    plain = text[1:-1].decode()
    return plain if plain.isprintable() else ""


def beginning(members: Mapping[str, Raw]) -> bytes:
    """Return a small object with the fields that routing needs."""
    names = ("model", "stream")
    return msgspec.json.encode({name: members[name] for name in names if name in members})


def with_model(call: Call, model: str) -> bytes:
    """Return a call's body with another top-level ``model``, otherwise unchanged.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    return replace_model(call.body, model, members_of(call))


def replace_model(
    body: bytes, model: str, members: Mapping[str, Raw] | None = None, field: str = "model"
) -> bytes:
    """Return ``body`` with another top-level ``model``, otherwise byte for byte the same.

    ``members`` are those of the body, if they are known, ``field`` is the one with the model.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    return replace_member(body, field, msgspec.json.encode(model), members)


def replace_member(
    body: bytes, field: str, value: bytes, members: Mapping[str, Raw] | None = None
) -> bytes:
    """Return ``body`` with the JSON ``value`` in a top-level field, otherwise unchanged.

    ``members`` are those of the body, if they are known.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    place = 0
    pieces: list[bytes] = []
    copied = 0
    found = False
    for key, old in (load_members(body) if members is None else members).items():
        begin = begin_of_value(body, place, key)
        if begin < 0:
            return _rebuilt(body, field, value)
        place = begin + memoryview(old).nbytes
        if key == field:
            found = True
            if bytes(old) != value:
                pieces += [body[copied:begin], value]
                copied = place
    if not found or not END_OF_OBJECT.match(body, place):
        return _rebuilt(body, field, value)
    return b"".join([*pieces, body[copied:]]) if pieces else body


def begin_of_value(body: bytes, place: int, key: str) -> int:
    """Return where the value of ``key`` begins, -1 if another member follows at ``place``."""
    usual = b'%b"%b":' % (b"," if place else b"{", key.encode())
    if b"\\" not in usual and body.startswith(usual, place):
        begin = place + len(usual)
        if body[begin] not in _WHITESPACE:
            return begin
    match = _KEY.match(body, place)
    return match.end() if match is not None and _is_key(match[1], key) else -1


def _is_key(raw: bytes, key: str) -> bool:
    """Return whether ``raw``, a JSON string, is ``key``."""
    if b"\\" in raw:
        return bool(msgspec.json.decode(raw) == key)
    return raw[1:-1].decode() == key


def _rebuilt(body: bytes, field: str, value: bytes) -> bytes:
    """Return the body encoded again: it does not have the field, or a duplicate key."""
    return msgspec.json.encode({**load_object(body), field: Raw(value)})
