"""Writes whole replies."""

from __future__ import annotations

from typing import Any

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text, Thinking, ToolCall
from antigravity.ir.response import Choice, Response
from antigravity.protocols.openai_chat.audio_formats import join_base64
from antigravity.protocols.openai_chat.extra_content import write_signature
from antigravity.protocols.openai_chat.server_answer import (
    Told,
    annotation,
    finish_reason,
    image,
    is_legacy,
    token_logprobs,
)
from antigravity.protocols.openai_shapes import completion_usage, json_reply, media_as_text


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return the answer to a call that does not stream."""
    legacy = is_legacy(context)
    choices = [
        _choice(choice, index, context, legacy=legacy)
        for index, choice in enumerate(response.choices)
    ]
    return json_reply(
        {
            "id": context.new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": context.created,
            "model": context.model,
            "choices": choices,
            "usage": completion_usage(response.usage),
        }
    )


def _choice(choice: Choice, index: int, context: ReplyContext, *, legacy: bool) -> dict[str, Any]:
    logprobs = None
    if choice.logprobs is not None:
        logprobs = {"content": token_logprobs(list(choice.logprobs)), "refusal": None}
    told = Told(bool(choice.tool_calls), choice.refusal is not None, legacy)
    return {
        "index": index,
        "message": _message(choice, context, legacy=legacy),
        "logprobs": logprobs,
        "finish_reason": finish_reason(choice.finish, told),
    }


def _message(choice: Choice, context: ReplyContext, *, legacy: bool) -> dict[str, Any]:
    rest = _calls(choice, legacy=legacy) | _media(choice, context)
    text = choice.text + _media_text(choice)
    silent = not text and bool(rest or choice.refusal)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if silent else text,
        "refusal": choice.refusal,
        "annotations": _annotations(choice),
    }
    thoughts = "".join(part.text for part in choice.parts if isinstance(part, Thinking))
    if thoughts:
        message["reasoning_content"] = thoughts
    return message | rest


def _calls(choice: Choice, *, legacy: bool) -> dict[str, Any]:
    calls = choice.tool_calls
    if not calls:
        return {}
    if legacy:
        return {"function_call": {"name": calls[0].name, "arguments": calls[0].arguments}}
    return {"tool_calls": [_call(call) for call in calls]}


def _annotations(choice: Choice) -> list[dict[str, Any]]:
    found = []
    position = 0
    for part in choice.parts:
        if isinstance(part, Text):
            position += len(part.text)
            found += [annotation(citation, position) for citation in part.citations]
    return found


def _call(call: ToolCall) -> dict[str, Any]:
    text = "input" if call.kind == "custom" else "arguments"
    item = {
        "id": call.id,
        "type": call.kind,
        call.kind: {"name": call.name, text: call.arguments},
    }
    if call.signature is not None:
        item["extra_content"] = write_signature(call.signature)
    return item


def _media_text(choice: Choice) -> str:
    """Return what stands for media that the protocol has no form for."""
    return "".join(
        media_as_text(part.mime_type, part.source)
        for part in choice.parts
        if isinstance(part, Media)
        and not (part.kind == "audio" and isinstance(part.source, InlineData))
        and not (part.kind == "image" and image(part.mime_type, part.source) is not None)
    )


def _media(choice: Choice, context: ReplyContext) -> dict[str, Any]:
    """Return the sound and the images of an answer."""
    fields: dict[str, Any] = {}
    images: list[dict[str, Any]] = []
    sounds: list[str] = []
    for part in choice.parts:
        if not isinstance(part, Media):
            continue
        if part.kind == "audio" and isinstance(part.source, InlineData):
            sounds.append(part.source.data)
        item = image(part.mime_type, part.source) if part.kind == "image" else None
        if item is not None:
            images.append({**item, "index": len(images)})
    if sounds:
        fields["audio"] = {
            "id": context.new_id("audio_"),
            "data": sounds[0] if len(sounds) == 1 else join_base64(sounds),
            "expires_at": context.created,
            "transcript": "".join(choice.transcripts),
        }
    if images:
        fields["images"] = images
    return fields
