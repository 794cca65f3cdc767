"""Answers a request that only prepares what a later one continues."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, Struct

from antigravity.interfaces.sockets import SessionContext
from antigravity.ir.call import Call, ReplyContext, Route
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.json_body import bad_field, decode_object
from antigravity.protocols.openai_responses.schema import NAME
from antigravity.protocols.openai_responses.server_reply import ResponseObject

_ROUTE: Final = Route("POST", "/v1/responses", "generate")


class _Model(Struct):
    model: str


class Prewarmed(Struct, frozen=True):
    """The id of an empty response, and the events about it."""

    id: str
    events: tuple[bytes, ...]


def prewarm(body: bytes, context: SessionContext) -> Prewarmed:
    """Return an empty response.

    It has no tokens: nothing was sent to an upstream.

    :raises InvalidRequestError: if the request names no model.
    """
    model = decode_object(body, _Model).model
    if not model:
        raise bad_field("model", "is required")
    response_id = context.new_id("resp_")
    reply = ReplyContext(
        call=Call(_ROUTE, {}, {}, {}, body),
        request=Request(model=model, messages=(), protocol=NAME),
        model=model,
        created=int(context.now()),
        new_id=lambda _: response_id,
        now=context.now,
    )
    response = ResponseObject(reply)
    states = (
        ("response.created", response.encode("in_progress")),
        ("response.in_progress", response.encode("in_progress")),
        ("response.completed", response.encode("completed", usage=Usage())),
    )
    events = tuple(
        msgspec.json.encode({"type": kind, "sequence_number": number, "response": Raw(state)})
        for number, (kind, state) in enumerate(states)
    )
    return Prewarmed(response_id, events)
