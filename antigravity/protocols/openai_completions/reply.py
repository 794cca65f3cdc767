"""Writes whole replies."""

from __future__ import annotations

from typing import Any

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.parts import Media
from antigravity.ir.response import Choice, Response
from antigravity.protocols.openai_completions.answer import (
    choice_object,
    echo_of,
    finish_reason,
    legacy_logprobs,
)
from antigravity.protocols.openai_completions.request import echoed
from antigravity.protocols.openai_shapes import completion_usage, json_reply, media_as_text


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return the answer to a call that does not stream."""
    echoes = echoed(context.call)
    return json_reply(
        {
            "id": context.new_id("cmpl-"),
            "object": "text_completion",
            "created": context.created,
            "model": context.model,
            "choices": [
                _choice(choice, index, echo_of(echoes, index))
                for index, choice in enumerate(response.choices)
            ],
            "usage": completion_usage(response.usage),
        }
    )


def _choice(choice: Choice, index: int, echo: str) -> dict[str, Any]:
    logprobs = None
    if choice.logprobs is not None:
        logprobs = legacy_logprobs(choice.logprobs, len(echo))
    media = "".join(
        media_as_text(part.mime_type, part.source)
        for part in choice.parts
        if isinstance(part, Media) and not (part.kind == "audio" and choice.transcripts)
    )
    text = echo + choice.text + media + "".join(choice.transcripts) + (choice.refusal or "")
    return choice_object(index, text, finish_reason(choice.finish), logprobs)
