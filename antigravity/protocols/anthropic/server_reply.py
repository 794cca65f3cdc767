"""Whole replies: messages, counts, models, errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from antigravity.ir.call import Call, HttpReply, ReplyContext, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    WebSearchEvent,
)
from antigravity.ir.parts import Media, Part, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import Choice, Response
from antigravity.protocols.anthropic.errors import error_object
from antigravity.protocols.anthropic.reading import reject
from antigravity.protocols.anthropic.reasons import stop_reason
from antigravity.protocols.anthropic.server_blocks import BlockMachine
from antigravity.protocols.anthropic.tool_input import as_object
from antigravity.protocols.anthropic.usage import wire_usage


class _MessageSink:
    """Collects content blocks."""

    def __init__(self) -> None:
        self.content: list[dict[str, Any]] = []
        self._input: list[str] = []

    def open(self, block: dict[str, Any]) -> None:
        self.content.append(block)
        self._input = []

    def text(self, text: str) -> None:
        self.content[-1]["text"] += text

    def thinking(self, text: str) -> None:
        self.content[-1]["thinking"] += text

    def signature(self, signature: str) -> None:
        self.content[-1]["signature"] = signature

    def input_json(self, fragment: str) -> None:
        self._input.append(fragment)

    def citation(self, citation: dict[str, Any]) -> None:
        self.content[-1].setdefault("citations", []).append(citation)

    def close(self) -> None:
        if self._input:
            text = "".join(self._input)
            self.content[-1]["input"] = msgspec.Raw(as_object(text).encode())


def message(context: ReplyContext, usage: dict[str, Any]) -> dict[str, Any]:
    """Return the message object of a reply that has no content yet."""
    return {
        "id": context.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def stop_details(reason: str) -> dict[str, Any]:
    """Return the member that explains a refusal, for that reason only."""
    if reason != "refusal":
        return {}
    return {"stop_details": {"type": "refusal", "category": None, "explanation": None}}


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return the reply to a call that does not stream: the blocks that a stream would have."""
    choice = response.choices[0]
    sink = _MessageSink()
    blocks = BlockMachine(sink, context)
    for event in _events(choice):
        blocks.feed(event)
    finish = Finish(choice.finish, choice.stop_sequence, choice.native_finish)
    blocks.finish(finish)
    reason = stop_reason(finish, called=blocks.calls > 0)
    body = message(context, wire_usage(response.usage, blocks.searches))
    body["content"] = sink.content
    body["stop_reason"] = reason
    body["stop_sequence"] = choice.stop_sequence
    return HttpReply(200, msgspec.json.encode(body | stop_details(reason)))


def _events(choice: Choice) -> Iterator[Event]:
    """Yield the events that fold to ``choice``."""
    transcripts = iter(choice.transcripts)
    for number, part in enumerate(choice.parts):
        yield from _part_events(number, part, transcripts)
    if choice.refusal:
        yield RefusalDelta(choice.refusal)


def _part_events(number: int, part: Part, transcripts: Iterator[str]) -> Iterator[Event]:
    match part:
        case Text():
            yield TextDelta(part.text)
            for citation in part.citations:
                yield CitationEvent(citation)
        case Thinking() if part.redacted is not None:
            family = part.signature.family if part.signature else "claude"
            yield RedactedThinking(part.redacted, family=family)
        case Thinking():
            yield ThinkingDelta(part.text)
            if part.signature is not None:
                yield ThinkingSignature(part.signature)
        case ToolCall():
            yield ToolCallStart(
                number, part.id, part.name, part.kind, part.namespace, part.signature
            )
            yield ToolCallDelta(number, part.arguments)
            yield ToolCallEnd(number)
        case Media():
            sound = part.mime_type.startswith(("audio/", "video/"))
            transcript = next(transcripts, None) if sound else None
            yield MediaOutput(part.mime_type, part.source, part.signature, transcript)
        case WebSearch():
            yield WebSearchEvent(part)
        case _:
            pass


def encode_count(count: TokenCount, call: Call) -> HttpReply:
    """Return the reply to a ``count_tokens`` call."""
    return HttpReply(200, msgspec.json.encode({"input_tokens": count.input_tokens}))


def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return a page of the list of models; all of it where the call doesn't page.

    :raises InvalidRequestError: if the call's cursor or limit makes no sense.
    """
    first, last = _page([model.id for model in models], call.query)
    page = models[first:last]
    backwards = "before_id" in call.query
    listing = {
        "object": "list",
        "data": [_model(model) for model in page],
        "has_more": first > 0 if backwards else last < len(models),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return HttpReply(200, msgspec.json.encode(listing))


def _page(ids: list[str], query: Mapping[str, str]) -> tuple[int, int]:
    """Return where a page begins and ends."""
    limit = len(ids)
    if asked := query.get("limit"):
        if not asked.isdecimal() or len(asked) > 9 or not 1 <= int(asked) <= 1000:
            reject("$.limit", "Input should be an integer between 1 and 1000")
        limit = int(asked)
    for name in ("after_id", "before_id"):
        if query.get(name) and query[name] not in ids:
            reject(f"$.{name}", f"no model is called {query[name]!r}")
    if after := query.get("after_id"):
        first = ids.index(after) + 1
        return first, min(len(ids), first + limit)
    if before := query.get("before_id"):
        last = ids.index(before)
        return max(0, last - limit), last
    return 0, min(len(ids), limit)


def encode_model(model: Model, call: Call) -> HttpReply:
    """Return one model."""
    return HttpReply(200, msgspec.json.encode(_model(model)))


def _model(model: Model) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name or model.id,
        "created_at": created,
        "lifecycle": "active",
        "max_input_tokens": model.input_token_limit,
        "max_tokens": model.output_token_limit,
    }


def encode_error(error: GatewayError, request_id: str) -> HttpReply:
    """Return an error, with ``Retry-After`` where it is known."""
    headers: tuple[tuple[str, str], ...] = ()
    if error.retry_after is not None:
        headers = (("retry-after", str(max(0, math.ceil(error.retry_after)))),)
    body = {"type": "error", **error_object(error, request_id)}
    return HttpReply(error.status, msgspec.json.encode(body), headers=headers)
