"""Compaction: what requests ask for, and the whole response of ``/v1/responses/compact``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.interfaces.server_traits import CompactionRequest
from antigravity.ir.call import Call, HttpReply, ReplyContext
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.usage import Usage
from antigravity.protocols.json_body import bad_field, members_of
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject
from antigravity.protocols.openai_responses.server_reply import encode_usage
from antigravity.protocols.replies import json_reply

#: The tag of the route that compacts.
TAG: Final = "compact"
TRIGGER: Final = "compaction_trigger"
#: In every body that asks for compaction: a trigger, or an entry of ``context_management``.
_MARKS: Final = (b'"compaction_trigger"', b'"context_management"')
_NOT_LAST: Final = "The 'compaction_trigger' item must be the final input item."
_LOWEST_THRESHOLD: Final = 1


class _Item(Struct):
    type: Any = None
    role: Any = None


_ITEMS: Final = msgspec.json.Decoder(list[_Item])


def find_compaction(call: Call) -> CompactionRequest | None:
    """Return the compaction that a call asks for, ``None`` if there is none.

    Only a body with a trigger or with ``context_management`` is read.
    """
    if call.route.tag == TAG:
        return CompactionRequest("endpoint")
    if not any(mark in call.body for mark in _MARKS):
        return None
    body = members_of(call)
    if any(item.type == TRIGGER for item in _items(body.get("input"))):
        return CompactionRequest("trigger")
    if "context_management" not in body:
        return None
    try:
        return read_context_management(msgspec.json.decode(body["context_management"]))
    except InvalidRequestError:
        return None  # an upstream may know more; decoding the request reports what is wrong


def check_trigger(call: Call) -> None:
    """Check that there is one trigger at most, and that it is the last item of the input.

    :raises InvalidRequestError: in the provider's words.
    """
    items = _items(members_of(call).get("input"))
    places = [place for place, item in enumerate(items) if item.type == TRIGGER]
    if places and (len(places) > 1 or places[0] != len(items) - 1):
        raise InvalidRequestError(_NOT_LAST, param=f"input[{places[0]}]")


def _items(raw: Raw | None) -> list[_Item]:
    if raw is None or not bytes(raw[:1] if isinstance(raw, bytes) else raw).startswith(b"["):
        return []
    try:
        return _ITEMS.decode(raw)
    except MALFORMED:
        return []  # decoding the request reports what is wrong


def read_context_management(entries: Any) -> CompactionRequest | None:
    """Return the compaction that ``context_management`` asks for, ``None`` if there is none.

    :raises InvalidRequestError: if it is not a list of entries, or a threshold is not valid.
    """
    if entries is None:
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_field("context_management", "must be a list of objects")
    for place, entry in enumerate(entries):
        if entry.get("type") != "compaction":
            continue
        threshold = entry.get("compact_threshold")
        if threshold is None:
            return CompactionRequest("threshold")
        if not isinstance(threshold, int) or isinstance(threshold, bool) or threshold < 1:
            raise bad_field(
                f"context_management[{place}].compact_threshold",
                f"must be a whole number of at least {_LOWEST_THRESHOLD}",
            )
        return CompactionRequest("threshold", threshold)
    return None


def encode_compaction(item: JsonObject, usage: Usage, context: ReplyContext) -> HttpReply:
    """Return the reply of the endpoint: all messages of users, then the compaction."""
    output = [*_user_messages(context), {"id": context.new_id("cmp_"), **item}]
    return json_reply(
        {
            "id": context.new_id("resp_"),
            "object": "response.compaction",
            "created_at": context.created,
            "output": output,
            "usage": encode_usage(usage),
        }
    )


def _user_messages(context: ReplyContext) -> Sequence[JsonObject]:
    given: Any = msgspec.json.decode(members_of(context.call).get("input", b"null"))
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    found = []
    for item in given if isinstance(given, list) else ():
        if not isinstance(item, dict) or item.get("role") != "user":
            continue
        if item.get("type", "message") != "message":
            continue
        content = item.get("content")
        if isinstance(content, str):
            content = [{"type": "input_text", "text": content}]
        item_id = item.get("id") or context.new_id("msg_")
        status = {"type": "message", "status": "completed", "role": "user"}
        found.append({**item, "id": item_id, **status, "content": content or []})
    return found
