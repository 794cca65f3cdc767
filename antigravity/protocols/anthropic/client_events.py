"""The events of a stream, as far as they mean something to the gateway."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity.protocols.anthropic import schema
from antigravity.protocols.anthropic.usage import UsageField
from antigravity.sse import ServerSentEvent


class _MessageHead(Struct, frozen=True):
    id: str = ""
    model: str = ""
    usage: UsageField = UsageField()


class _MessageStart(Struct, frozen=True):
    message: _MessageHead


class Block(Struct, frozen=True):
    """A content block of any type as it begins."""

    type: str
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    tool_use_id: str = ""
    content: Raw = Raw(b"[]")
    citations: list[dict[str, Any]] | None = None


class _BlockStart(Struct, frozen=True):
    index: int
    content_block: Block


class _Delta(Struct, frozen=True):
    """A delta of any type."""

    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    citation: dict[str, Any] | None = None


class _BlockDelta(Struct, frozen=True):
    index: int
    delta: _Delta


class _BlockStop(Struct, frozen=True):
    index: int


class StopDelta(Struct, frozen=True):
    """Why the answer stopped."""

    stop_reason: str | None = None
    stop_sequence: str | None = None


class _MessageDelta(Struct, frozen=True):
    delta: StopDelta = StopDelta()
    usage: UsageField | None = None


_read_type = msgspec.json.Decoder(schema.Tagged).decode
read_start = msgspec.json.Decoder(_MessageStart).decode
read_block = msgspec.json.Decoder(_BlockStart).decode
read_delta = msgspec.json.Decoder(_BlockDelta).decode
read_stop = msgspec.json.Decoder(_BlockStop).decode
read_message_delta = msgspec.json.Decoder(_MessageDelta).decode
read_results = msgspec.json.Decoder(list[schema.WebSearchResultItem] | schema.WebSearchFault).decode
read_query = msgspec.json.Decoder(schema.WebSearchInput).decode


def name_of(event: ServerSentEvent) -> str:
    """Return the type of an event, also where the ``event:`` line was left out."""
    return event.event or _read_type(event.data).type
