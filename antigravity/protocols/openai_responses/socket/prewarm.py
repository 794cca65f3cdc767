"""Answers a request that only prepares what a later one continues."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from antigravity.ir.call import ReplyContext
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.server_reply import ResponseObject
from antigravity.sse import encode_event


def encode_prewarm(context: ReplyContext) -> bytes:
    """Return the stream of an empty response.

    It has no tokens: nothing was sent to an upstream.
    """
    response = ResponseObject(context)
    states = (
        (b"response.created", response.encode("in_progress")),
        (b"response.in_progress", response.encode("in_progress")),
        (b"response.completed", response.encode("completed", usage=Usage())),
    )
    return b"".join(
        encode_event(
            kind,
            msgspec.json.encode(
                {"type": kind.decode(), "sequence_number": number, "response": Raw(state)}
            ),
        )
        for number, (kind, state) in enumerate(states)
    )
