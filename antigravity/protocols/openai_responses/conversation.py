"""Conversations that the gateway keeps for ``previous_response_id``: pure functions on bytes.

What is kept of a response is one JSON list: the items that went in and those that came
out.  Instructions are not among them, since the next request doesn't inherit them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.json_body import decode_object


class _Switches(Struct, frozen=True):
    store: bool | None = None
    previous_response_id: str | None = None


class _Answer(Struct, frozen=True):
    output: list[Raw] = []


def reference(body: bytes) -> str | None:
    """Return the ``previous_response_id``, if the request has one."""
    return decode_object(body, _Switches).previous_response_id or None


def wants_store(body: bytes) -> bool:
    """Return whether the answer may be kept; the protocol's default is that it may."""
    return decode_object(body, _Switches).store is not False


def _fields(body: bytes) -> dict[str, Raw]:
    return decode_object(body, dict[str, Raw])


def _input_items(fields: dict[str, Raw]) -> list[Raw]:
    """Return the input as items, each byte for byte as it came; a string is a message."""
    own = bytes(fields.get("input", b"null"))
    if own == b"null":
        return []
    if own.startswith(b"["):
        return msgspec.json.decode(own, type=list[Raw])
    return [Raw(b'{"type":"message","role":"user","content":%b}' % own)]


def _stored_items(stored: bytes) -> list[Raw]:
    if stored.lstrip().startswith(b"["):
        return msgspec.json.decode(stored, type=list[Raw])
    return [Raw(stored)]


def expand(body: bytes, history: Sequence[bytes]) -> bytes:
    """Return the body with the history before its own input and without its reference.

    ``history`` holds, oldest first, lists of items as :func:`snapshot` makes them (a
    snapshot is already the whole conversation up to its response) or single items.
    """
    fields = _fields(body)
    items = [item for stored in history for item in _stored_items(stored)]
    fields["input"] = Raw(msgspec.json.encode(items + _input_items(fields)))
    fields.pop("previous_response_id", None)
    return msgspec.json.encode(fields)


def snapshot(body: bytes, response: bytes) -> bytes:
    """Return the items to keep: those of the (expanded) request, then those of its response."""
    answer = msgspec.json.decode(response, type=_Answer)
    return msgspec.json.encode(_input_items(_fields(body)) + answer.output)
