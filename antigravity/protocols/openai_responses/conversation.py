"""Conversations that the gateway stores for ``previous_response_id``: pure functions on bytes.

A stored conversation has the input items of a request and its response.  It has no instructions,
because the next request does not inherit them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.json_body import decode_object
from antigravity.protocols.openai_responses.item_ids import response_of


class _Switches(Struct, frozen=True):
    store: bool | None = None
    previous_response_id: str | None = None


class _Response(Struct, frozen=True):
    output: list[Raw] = []


class _Typed(Struct, frozen=True):
    type: Any = None
    id: Any = None


class StoredConversation(Struct, frozen=True):
    """Response with the items of its input, all as unchanged JSON text."""

    input: list[Raw]
    response: Raw

    @property
    def items(self) -> list[Raw]:
        """The whole conversation: input and output, without triggers, which are obeyed."""
        return [item for item in self.input if not _is_trigger(item)] + self.output

    @property
    def output(self) -> list[Raw]:
        """The output items of the response."""
        return msgspec.json.decode(self.response, type=_Response).output


_TRIGGER: Final = b'"compaction_trigger"'
#: What every reference to a single item contains.
REFERENCE: Final = b'"item_reference"'
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(StoredConversation)


def _is_trigger(item: Raw) -> bool:
    """Return whether an item is the trigger of a compaction."""
    if _TRIGGER not in bytes(item):
        return False
    return bool(msgspec.json.decode(item, type=_Typed).type == "compaction_trigger")


def previous_id(body: bytes) -> str | None:
    """Return the ``previous_response_id``, if the request has one."""
    return decode_object(body, _Switches).previous_response_id or None


def wants_store(body: bytes) -> bool:
    """Return whether the response can be stored, which is the protocol's default."""
    return decode_object(body, _Switches).store is not False


def _fields(body: bytes) -> dict[str, Raw]:
    return decode_object(body, dict[str, Raw])


def _input_items(fields: dict[str, Raw]) -> list[Raw]:
    return input_items(fields.get("input", Raw(b"null")))


def input_items(given: Raw) -> list[Raw]:
    """Return an input as items in unchanged JSON text; a string becomes a message."""
    own = bytes(given)
    if own == b"null":
        return []
    if own.startswith(b"["):
        return msgspec.json.decode(own, type=list[Raw])
    return [Raw(b'{"type":"message","role":"user","content":%b}' % own)]


def expand(body: bytes, history: Sequence[bytes], earlier: str | None = None) -> bytes:
    """Return the body with the history before its own input, without ``previous_response_id``.

    ``history`` holds results of :func:`items_to_store`, oldest first; ``earlier`` is the id of the
    response before it, if that is stored elsewhere.
    """
    fields = _fields(body)
    items = [item for conversation in history for item in read(conversation).items]
    fields["input"] = Raw(msgspec.json.encode(items + _input_items(fields)))
    fields.pop("previous_response_id", None)
    if earlier is not None:
        fields["previous_response_id"] = Raw(msgspec.json.encode(earlier))
    stream = fields.pop("stream", None)
    if stream is not None:
        fields["stream"] = stream  # at the end, where it is found without reading the body
    return msgspec.json.encode(fields)


def items_to_store(body: bytes, response: bytes) -> bytes:
    """Return the bytes to store: the items of the (expanded) request, and the response."""
    return _ENCODER.encode(StoredConversation(_input_items(_fields(body)), Raw(response)))


def referenced_responses(body: bytes) -> Iterable[str]:
    """Return the ids of the responses of which a request's input names single items."""
    named = map(_reference, _input_items(_fields(body)))
    return {response_of(name) for name in named if name is not None}


def with_referenced_items(body: bytes, stored: Mapping[str, bytes]) -> bytes:
    """Return the body with the items of stored responses in place of references to them.

    ``stored`` has results of :func:`items_to_store` by the id of the response.  References to
    other items stay.
    """
    items = {
        msgspec.json.decode(item, type=_Typed).id: item
        for conversation in stored.values()
        for item in read(conversation).output
    }
    fields = _fields(body)
    own = [(item, _reference(item)) for item in _input_items(fields)]
    resolved = [item if name is None else items.get(name, item) for item, name in own]
    fields["input"] = Raw(msgspec.json.encode(resolved))
    return msgspec.json.encode(fields)


def _reference(item: Raw) -> str | None:
    """Return the id of the item that an input item refers to, if it is a reference."""
    if REFERENCE not in bytes(item):
        return None
    found = msgspec.json.decode(item, type=_Typed)
    return found.id if found.type == "item_reference" and isinstance(found.id, str) else None


def read(stored: bytes) -> StoredConversation:
    """Return the conversation that :func:`items_to_store` encoded."""
    return _DECODER.decode(stored)
