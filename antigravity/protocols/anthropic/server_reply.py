"""Whole responses: messages, counts, models, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from antigravity.ir.call import Call, HttpReply, ReplyContext, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, OverloadedError
from antigravity.ir.events import Finish
from antigravity.ir.response import Response, unfold
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.errors import OVERLOADED, error_object
from antigravity.protocols.anthropic.reasons import stop_reason
from antigravity.protocols.anthropic.request_reader import reject
from antigravity.protocols.anthropic.server_blocks import BlockWriter
from antigravity.protocols.anthropic.tool_input import as_object
from antigravity.protocols.anthropic.usage import wire_usage
from antigravity.protocols.replies import error_reply, json_reply, list_page, page_number


class MessageSink:
    """A sink that collects content blocks."""

    def __init__(self) -> None:
        self.content: list[dict[str, Any]] = []
        self._input: list[str] = []

    def open(self, block: dict[str, Any]) -> None:
        """Begin a block."""
        self.content.append(block)
        self._input = []

    def text(self, text: str) -> None:
        """Add text to the open block."""
        self.content[-1]["text"] += text

    def thinking(self, text: str) -> None:
        """Add thinking to the open block."""
        self.content[-1]["thinking"] += text

    def signature(self, signature: str) -> None:
        """Sign the open block."""
        self.content[-1]["signature"] = signature

    def input_json(self, fragment: str) -> None:
        """Add to the open call's input."""
        self._input.append(fragment)

    def citation(self, citation: dict[str, Any]) -> None:
        """Add a citation to the open block."""
        self.content[-1].setdefault("citations", []).append(citation)

    def close(self) -> None:
        """End the open block."""
        if self._input:
            text = "".join(self._input)
            self.content[-1]["input"] = msgspec.Raw(as_object(text).encode())


def message(context: ReplyContext, usage: Usage) -> dict[str, Any]:
    """Return a message object that has no content yet."""
    return {
        "id": context.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": wire_usage(usage),
    }


def message_end(finish: Finish, usage: Usage, blocks: BlockWriter) -> dict[str, Any]:
    """Return the members of a message that are known at its end."""
    reason = stop_reason(finish, called=blocks.calls > 0)
    end: dict[str, Any] = {
        "stop_reason": reason,
        "stop_sequence": finish.stop_sequence,
        "usage": wire_usage(usage, blocks.searches),
    }
    if reason == "refusal":
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return end


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a message with the same blocks as a stream."""
    choice = response.choices[0]
    sink = MessageSink()
    blocks = BlockWriter(sink, context)
    for event in unfold(choice):
        blocks.write(event)
    finish = Finish(choice.finish, choice.stop_sequence, choice.native_finish)
    body = message(context, response.usage) | message_end(finish, response.usage, blocks)
    body["content"] = sink.content
    return json_reply(body)


def encode_count(count: TokenCount, call: Call) -> HttpReply:
    """Return the reply to a ``count_tokens`` call."""
    return json_reply({"input_tokens": count.input_tokens})


def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return a page of the list of models, or the whole list if the call sets no limit.

    :raises InvalidRequestError: if the call's cursor or limit is not valid.
    """
    first, last = _page([model.id for model in models], call.query)
    has_more = first > 0 if "before_id" in call.query else last < len(models)
    page = [_model(model) for model in models[first:last]]
    return json_reply(list_page(page, has_more=has_more))


def _page(ids: list[str], query: Mapping[str, str]) -> tuple[int, int]:
    """Return the first index of a page, and the index behind its last."""
    limit = len(ids)
    if query.get("limit"):
        limit = page_number(query["limit"]) or 0
        if not 1 <= limit <= 1000:
            reject("$.limit", "Input should be an integer between 1 and 1000")
    for name in ("after_id", "before_id"):
        if query.get(name) and query[name] not in ids:
            reject(f"$.{name}", f"no model has the id {query[name]!r}")
    if after := query.get("after_id"):
        first = ids.index(after) + 1
        return first, min(len(ids), first + limit)
    if before := query.get("before_id"):
        last = ids.index(before)
        return max(0, last - limit), last
    return 0, min(len(ids), limit)


def encode_model(model: Model, call: Call) -> HttpReply:
    """Return one model."""
    return json_reply(_model(model))


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
    """Return an error, with ``Retry-After`` if the delay is known.

    An upstream without capacity has Anthropic's own status, by which clients recognise that.
    """
    reply = error_reply(error, {"type": "error", **error_object(error, request_id)})
    if isinstance(error, OverloadedError) and error.upstream_status == OVERLOADED:
        return replace(reply, status=OVERLOADED)
    return reply
