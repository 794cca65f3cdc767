"""Answers to questions about a response that the gateway keeps: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_responses.conversation import Kept, read
from antigravity.protocols.openai_responses.schema import JsonObject
from antigravity.protocols.replies import json_reply, list_page, page_number

_DEFAULT_LIMIT: Final = 20
_MOST: Final = 100
_ORDERS: Final = ("asc", "desc")
_TRUE: Final = ("true", "1")
#: What ids of items begin with; others get that of a message.
_PREFIXES: Final = {
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "web_search_call": "ws_",
}
#: What is only told who asks for it (``include``): the type of an object, and its member.
_ON_DEMAND: Final = (
    ("message.input_image.image_url", "input_image", "image_url"),
    ("computer_call_output.output.image_url", "computer_screenshot", "image_url"),
    ("reasoning.encrypted_content", "reasoning", "encrypted_content"),
)


def encode(call: Call, kept: bytes) -> HttpReply:
    """Return the reply to a call about a response.

    :raises InvalidRequestError: if it cannot be done with one that was made at once.
    """
    match call.route.tag:
        case "delete":
            return json_reply({"id": _id(call), "object": "response", "deleted": True})
        case "input_items":
            return json_reply(_page(call, read(kept)))
        case "cancel":
            raise InvalidRequestError(
                "Only a response that is made in the background can be cancelled; this one was "
                "made at once.",
                param="response_id",
                code="response_not_cancellable",
            )
    if call.query.get("stream", "").lower() in _TRUE:
        raise bad_field("stream", "works for responses that are made in the background only")
    return HttpReply(200, bytes(read(kept).response))


def not_found(call: Call) -> NotFoundError:
    """Return the error for a response that is not known."""
    return NotFoundError(
        f"Response with id {_id(call)!r} not found: it is not stored, or not any more.",
        param="response_id",
        code="response_not_found",
    )


def _id(call: Call) -> str:
    return call.arguments["id"]


def _page(call: Call, kept: Kept) -> JsonObject:
    """Return the page of the input's items that was asked for."""
    limit, order = _limit(call), call.query.get("order") or "desc"
    if order not in _ORDERS:
        raise bad_field("order", "is invalid", _ORDERS)
    items = list(_items(kept, _id(call)))
    if order == "desc":
        items.reverse()
    after = call.query.get("after")
    if after:
        place = next((n for n, item in enumerate(items) if item["id"] == after), None)
        if place is None:
            raise bad_field("after", "is the id of no item of this response")
        items = items[place + 1 :]
    page = items[:limit]
    included = {value for name, value in call.parameters if name.partition("[")[0] == "include"}
    for wanted, kind, member in _ON_DEMAND:
        if wanted not in included:
            page = [_without(item, kind, member) for item in page]
    return list_page(page, has_more=len(items) > limit)


def _limit(call: Call) -> int:
    limit = page_number(call.query.get("limit") or str(_DEFAULT_LIMIT))
    if limit is None or not 1 <= limit <= _MOST:
        raise bad_field("limit", f"must be a number from 1 to {_MOST}")
    return limit


def _items(kept: Kept, response_id: str) -> Iterator[JsonObject]:
    """Give the items as the API lists them: each with an id of its own, and a status."""
    seen: set[str] = set()
    for number, raw in enumerate(kept.input):
        item: Any = msgspec.json.decode(raw)
        kind = item.get("type") or "message"
        name = item.get("id")
        if not isinstance(name, str) or not name or name in seen:
            digest = hashlib.sha256(f"{response_id}.{number}".encode()).hexdigest()
            name = _PREFIXES.get(kind, "msg_") + digest[:48]
        seen.add(name)
        listed = {**item, "id": name, "type": kind}
        if kind in ("message", *_PREFIXES) and kind != "reasoning":
            listed.setdefault("status", "completed")
        if kind == "message" and isinstance(item.get("content"), str):
            listed["content"] = [_text(item.get("role"), item["content"])]
        yield listed


def _text(role: object, text: str) -> JsonObject:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def _without(value: Any, kind: str, member: str) -> Any:
    """Return a value in which no object of a type has the member."""
    if isinstance(value, list):
        return [_without(each, kind, member) for each in value]
    if not isinstance(value, dict):
        return value
    dropped = member if value.get("type") == kind else None
    return {name: _without(inner, kind, member) for name, inner in value.items() if name != dropped}
