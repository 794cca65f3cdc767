"""The events of a stream that the gateway decodes."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from antigravity.protocols.anthropic import schema
from antigravity.protocols.anthropic.usage import UsageField
from antigravity.protocols.lenient import LenientDecoder
from antigravity.sse import ServerSentEvent


class _MessageHead(Struct, frozen=True):
    id: str = ""
    model: str = ""
    usage: UsageField = UsageField()


class _MessageStart(Struct, frozen=True):
    message: _MessageHead = _MessageHead()


class Block(Struct, frozen=True):
    """A content block of any type as it begins."""

    type: str = ""
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
    index: int = 0
    content_block: Block = Block()


class _Delta(Struct, frozen=True):
    """A delta of any type."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    citation: dict[str, Any] | None = None


class _BlockDelta(Struct, frozen=True):
    index: int = 0
    delta: _Delta = _Delta()


class _BlockStop(Struct, frozen=True):
    index: int = 0


class _StopDetails(Struct, frozen=True):
    """Why a response was refused; ``explanation`` is for the user."""

    explanation: str | None = None


class StopDelta(Struct, frozen=True):
    """``delta`` of ``message_delta``."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None

    @property
    def explanation(self) -> str:
        """The explanation of a refusal, or empty."""
        return (self.stop_details and self.stop_details.explanation) or ""


class _MessageDelta(Struct, frozen=True):
    delta: StopDelta = StopDelta()
    usage: UsageField | None = None


class Whole(Struct, frozen=True):
    """A whole message, which some servers send instead of a stream."""

    id: str = ""
    model: str = ""
    content: list[Block] | str = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None
    usage: UsageField = UsageField()


class _Kind(Struct, frozen=True):
    type: str = ""


_read_type = LenientDecoder[_Kind](_Kind).decode
read_start = LenientDecoder[_MessageStart](_MessageStart).decode
read_block = LenientDecoder[_BlockStart](_BlockStart).decode
read_delta = LenientDecoder[_BlockDelta](_BlockDelta).decode
read_stop = LenientDecoder[_BlockStop](_BlockStop).decode
read_message_delta = LenientDecoder[_MessageDelta](_MessageDelta).decode
read_whole = LenientDecoder[Whole](Whole).decode
read_results = LenientDecoder[list[schema.WebSearchResultItem] | schema.WebSearchFault](
    list[schema.WebSearchResultItem] | schema.WebSearchFault
).decode
read_query = LenientDecoder[schema.WebSearchInput](schema.WebSearchInput).decode


def name_of(event: ServerSentEvent) -> str:
    """Return the type of an event, also if the ``event:`` line is missing.

    ``message`` is the default name of server-sent events, and the type of whole messages.
    """
    name = event.event
    return name if name and name != "message" else _read_type(event.data).type
