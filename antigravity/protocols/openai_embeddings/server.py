"""Decodes a client's call, and encodes the reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    TokenIds,
)
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.parts import Text
from antigravity.protocols.json_body import bad_field, convert, decode_object, load_object
from antigravity.protocols.long_arrays import encode_with_array
from antigravity.protocols.openai_embeddings.vectors import to_base64

NAME: Final = "openai_embeddings"
_FORMATS: Final = ("float", "base64")
_INPUT_PROBLEM: Final = (
    "must be a string, a list of strings, a list of token ids, or a list of such lists"
)


class _Body(Struct):
    """The fields that the intermediate representation can express."""

    model: str
    input: Any
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None


class _InputOnly(Struct):
    """The field that is read to count the inputs."""

    input: Raw = Raw(b"null")


def decode(call: Call) -> EmbeddingRequest:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault.
    """
    value = load_object(call.body)
    wire: _Body = convert(value, _Body)
    if wire.dimensions is not None and wire.dimensions < 1:
        raise bad_field("dimensions", "must be at least 1")
    return EmbeddingRequest(
        model=wire.model,
        inputs=tuple(
            EmbeddingInput((part,), param, wire.dimensions) for param, part in _parts(wire.input)
        ),
        protocol=NAME,
        encoding=_encoding(wire.encoding_format),
        user=wire.user,
        extensions={
            key: item
            for key, item in value.items()
            if key not in _Body.__struct_fields__ and item is not None
        },
    )


def count_inputs(call: Call) -> int:
    """Return the number of inputs of a call, without checking them."""
    try:
        raw = decode_object(call.body, _InputOnly).input
        value = msgspec.json.decode(raw, type=list[Raw]) if _first(raw) == b"[" else []
    except (InvalidRequestError, msgspec.MsgspecError):
        return 1
    return 1 if not value or _first(value[0]) not in (b'"', b"[", b"{") else len(value)


def _first(value: Raw) -> bytes:
    """Return the first character of a JSON value."""
    return bytes(memoryview(value)[:1])


def _encoding(name: str | None) -> Literal["float", "base64"]:
    if name is None or name == "float":
        return "float"
    if name == "base64":
        return "base64"
    raise bad_field("encoding_format", f"is invalid: {name!r}", _FORMATS)


def _parts(value: Any) -> list[tuple[str, Text | TokenIds]]:
    """Return the inputs, each with its path."""
    if isinstance(value, str):
        return [("input", _text(value, "input"))]
    if not isinstance(value, list):
        raise bad_field("input", _INPUT_PROBLEM)
    if not value:
        raise bad_field("input", "must not be empty")
    if _is_id(value[0]):
        return [("input", _tokens(value, "input"))]
    return [(f"input[{place}]", _one(item, f"input[{place}]")) for place, item in enumerate(value)]


def _one(item: Any, param: str) -> Text | TokenIds:
    if isinstance(item, str):
        return _text(item, param)
    if isinstance(item, list):
        return _tokens(item, param)
    raise bad_field(param, "must be a string or a list of token ids")


def _text(text: str, param: str) -> Text:
    if not text:
        raise bad_field(param, "must not be empty")
    return Text(text)


def _tokens(ids: list[Any], param: str) -> TokenIds:
    if not ids:
        raise bad_field(param, "must not be empty")
    for place, each in enumerate(ids):
        if not _is_id(each) or each < 0:
            raise bad_field(f"{param}[{place}]", "must be a token id")
    return TokenIds(tuple(ids))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def encode(response: EmbeddingResponse, request: EmbeddingRequest, call: Call) -> HttpReply:
    """Return the reply.

    :raises UpstreamError: if a vector cannot be encoded in the requested format.
    """
    tokens = response.usage.input_total if response.usage is not None else 0
    members = {
        "object": "list",
        "model": response.model or request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    write: Callable[[tuple[float, ...]], Any]
    write = to_base64 if request.encoding == "base64" else tuple
    data = (
        {"object": "embedding", "index": index, "embedding": write(vector)}
        for index, vector in enumerate(response.vectors)
    )
    try:
        return HttpReply(200, encode_with_array(members, "data", data))
    except ValueError as error:
        raise UpstreamError(f"The upstream sent malformed embeddings: {error}.") from error
