"""Conversations that the gateway stores for ``previous_interaction_id``: pure functions on bytes.

A stored conversation has the steps of a request's input and its interaction.  It has no system
instruction, tools or settings, because the next request does not inherit them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.gemini_interactions.schema import CONTENT_TYPES, MALFORMED
from antigravity.protocols.json_body import decode_object


class _Switches(Struct, frozen=True):
    store: bool | None = None
    previous_interaction_id: str | None = None


class _Interaction(Struct, frozen=True):
    steps: list[Raw] = []


class _Kind(Struct, frozen=True):
    type: Any = None
    role: Any = None


class _Step(_Kind, frozen=True):
    content: Raw = Raw(b"[]")


class StoredInteraction(Struct, frozen=True):
    """Interaction with the steps of its input, all as unchanged JSON text."""

    input: list[Raw]
    interaction: Raw

    @property
    def output(self) -> list[Raw]:
        """The steps of the interaction."""
        return msgspec.json.decode(self.interaction, type=_Interaction).steps


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(StoredInteraction)
_KIND: Final = msgspec.json.Decoder(_Kind)
_STEP: Final = msgspec.json.Decoder(_Step)


def previous_id(body: bytes) -> str | None:
    """Return the ``previous_interaction_id``, if the request has one."""
    return decode_object(body, _Switches).previous_interaction_id or None


def wants_store(body: bytes) -> bool:
    """Return whether the interaction can be stored, which is the protocol's default."""
    return decode_object(body, _Switches).store is not False


def expand(body: bytes, history: Sequence[bytes]) -> bytes:
    """Return the body with the history before its own input, without the reference to it.

    ``history`` holds results of :func:`items_to_store`, oldest first.
    """
    fields = _fields(body)
    steps: list[Raw] = []
    for stored in map(read, history):
        steps += [*stored.input, *stored.output]
    fields["input"] = Raw(msgspec.json.encode(steps + _input_steps(fields)))
    fields.pop("previous_interaction_id", None)
    return msgspec.json.encode(fields)


def items_to_store(body: bytes, interaction: bytes) -> bytes:
    """Return the bytes to store: the steps of the (expanded) request, and the interaction."""
    return _ENCODER.encode(StoredInteraction(_input_steps(_fields(body)), Raw(interaction)))


def read(stored: bytes) -> StoredInteraction:
    """Return the conversation that :func:`items_to_store` encoded."""
    return _DECODER.decode(stored)


def first_turn(own: Raw | None) -> Raw | None:
    """Return the first turn of the user in an input, in the form of chat messages."""
    if own is None or bytes(own).startswith(b'"'):
        return own
    try:
        for step in map(_STEP.decode, _input_steps({"input": own})):
            if step.type == "user_input" or step.role == "user":
                return Raw(b'{"role":"user","content":%b}' % bytes(step.content))
    except MALFORMED:
        return None
    return None


def _fields(body: bytes) -> dict[str, Raw]:
    return decode_object(body, dict[str, Raw])


def _input_steps(fields: dict[str, Raw]) -> list[Raw]:
    """Return the input as steps; text and contents without a step become the user's."""
    own = bytes(fields.get("input", b"null"))
    if own == b"null":
        return []
    each = msgspec.json.decode(own, type=list[Raw]) if own.startswith(b"[") else [Raw(own)]
    steps: list[Raw] = []
    contents: list[Raw] = []
    for raw in each:
        if _is_content(raw):
            contents.append(_content(raw))
            continue
        steps += _user_input(contents)
        contents = []
        steps.append(raw)
    return steps + _user_input(contents)


def _is_content(raw: Raw) -> bool:
    if bytes(raw)[:1] != b"{":
        return True
    kind = _KIND.decode(raw)
    return kind.type in CONTENT_TYPES or (kind.type is None and kind.role is None)


def _content(raw: Raw) -> Raw:
    text = bytes(raw)
    return Raw(b'{"type":"text","text":%b}' % text) if text.startswith(b'"') else raw


def _user_input(contents: list[Raw]) -> list[Raw]:
    if not contents:
        return []
    return [Raw(b'{"type":"user_input","content":%b}' % msgspec.json.encode(contents))]
