"""Conversations that the gateway keeps for ``previous_response_id``: pure functions on bytes.

What is kept of a response is the response itself, and the items that went in.  Instructions
are not among those, since the next request doesn't inherit them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.json_body import decode_object


class _Switches(Struct, frozen=True):
    store: bool | None = None
    previous_response_id: str | None = None


class _Answer(Struct, frozen=True):
    output: list[Raw] = []


class Kept(Struct, frozen=True):
    """A response with its input items, each with its original bytes."""

    input: list[Raw]
    response: Raw

    @property
    def items(self) -> list[Raw]:
        """The whole conversation: what went in, and what came out."""
        return self.input + msgspec.json.decode(self.response, type=_Answer).output


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Kept)


def previous_id(body: bytes) -> str | None:
    """Return the ``previous_response_id``, if the request has one."""
    return decode_object(body, _Switches).previous_response_id or None


def wants_store(body: bytes) -> bool:
    """Return whether the answer may be kept; the protocol's default is that it may."""
    return decode_object(body, _Switches).store is not False


def _fields(body: bytes) -> dict[str, Raw]:
    return decode_object(body, dict[str, Raw])


def _input_items(fields: dict[str, Raw]) -> list[Raw]:
    """Return the input as items with their original bytes; a string is a message."""
    own = bytes(fields.get("input", b"null"))
    if own == b"null":
        return []
    if own.startswith(b"["):
        return msgspec.json.decode(own, type=list[Raw])
    return [Raw(b'{"type":"message","role":"user","content":%b}' % own)]


def expand(body: bytes, history: Sequence[bytes]) -> bytes:
    """Return the body with the history before its own input and without its reference.

    ``history`` holds, oldest first, what :func:`snapshot` has made; each is the whole
    conversation up to its response already.
    """
    fields = _fields(body)
    items = [item for kept in history for item in read(kept).items]
    fields["input"] = Raw(msgspec.json.encode(items + _input_items(fields)))
    fields.pop("previous_response_id", None)
    return msgspec.json.encode(fields)


def snapshot(body: bytes, response: bytes) -> bytes:
    """Return what to keep: the items of the (expanded) request, and the response."""
    return _ENCODER.encode(Kept(_input_items(_fields(body)), Raw(response)))


def read(kept: bytes) -> Kept:
    """Return what :func:`snapshot` has put together."""
    return _DECODER.decode(kept)
