"""Encodes responses to calls about a stored response: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_responses.conversation import StoredConversation, read
from antigravity.protocols.openai_responses.schema import JsonObject
from antigravity.protocols.replies import json_reply, list_page, page_number

_DEFAULT_LIMIT: Final = 20
_MAX_LIMIT: Final = 100
_ORDERS: Final = ("asc", "desc")
_TRUE: Final = ("true", "1")
#: The prefixes of item ids, by type; other types get the prefix of messages.
_PREFIXES: Final = {
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "web_search_call": "ws_",
}
#: Members that are only in a list on request: the value of ``include``, the object's type and the
#: member.
_ON_REQUEST: Final = (
    ("message.input_image.image_url", "input_image", "image_url"),
    ("computer_call_output.output.image_url", "computer_screenshot", "image_url"),
    ("reasoning.encrypted_content", "reasoning", "encrypted_content"),
)


def encode(call: Call, conversation: bytes) -> HttpReply:
    """Return the reply to a call about a stored response.

    :raises InvalidRequestError: if the call requires a background response.
    """
    match call.route.tag:
        case "delete":
            return json_reply({"id": _id(call), "object": "response", "deleted": True})
        case "input_items":
            return json_reply(_page(call, read(conversation)))
        case "cancel":
            raise InvalidRequestError(
                "Only background responses can be cancelled; this response is not one.",
                param="response_id",
                code="response_not_cancellable",
            )
    if call.query.get("stream", "").lower() in _TRUE:
        raise bad_field("stream", "is only allowed for background responses")
    return HttpReply(200, bytes(read(conversation).response))


def not_found(call: Call) -> NotFoundError:
    """Return the error for a response that is not stored."""
    return NotFoundError(
        f"Response with id {_id(call)!r} not found: it was not stored, or has expired.",
        param="response_id",
        code="response_not_found",
    )


def _id(call: Call) -> str:
    return call.arguments["id"]


def _page(call: Call, conversation: StoredConversation) -> JsonObject:
    """Return the requested page of the input's items."""
    limit, order = _limit(call), call.query.get("order") or "desc"
    if order not in _ORDERS:
        raise bad_field("order", "is invalid", _ORDERS)
    items = list(_items(conversation, _id(call)))
    if order == "desc":
        items.reverse()
    after = call.query.get("after")
    if after:
        place = next((n for n, item in enumerate(items) if item["id"] == after), None)
        if place is None:
            raise bad_field("after", "is not the id of an item of this response")
        items = items[place + 1 :]
    page = items[:limit]
    included = {value for name, value in call.parameters if name.partition("[")[0] == "include"}
    for value, kind, member in _ON_REQUEST:
        if value not in included:
            page = [_without(item, kind, member) for item in page]
    return list_page(page, has_more=len(items) > limit)


def _limit(call: Call) -> int:
    limit = page_number(call.query.get("limit") or str(_DEFAULT_LIMIT))
    if limit is None or not 1 <= limit <= _MAX_LIMIT:
        raise bad_field("limit", f"must be a number from 1 to {_MAX_LIMIT}")
    return limit


def _items(conversation: StoredConversation, response_id: str) -> Iterator[JsonObject]:
    """Yield the items of the input, each with a unique id and a status."""
    seen: set[str] = set()
    for number, raw in enumerate(conversation.input):
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
    """Return a value without a member of all objects of a type."""
    if isinstance(value, list):
        return [_without(each, kind, member) for each in value]
    if not isinstance(value, dict):
        return value
    dropped = member if value.get("type") == kind else None
    return {name: _without(inner, kind, member) for name, inner in value.items() if name != dropped}
