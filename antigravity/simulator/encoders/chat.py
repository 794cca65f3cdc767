"""Encode a script as an OpenAI chat completion or completion; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.simulator.encoders.chunks import split_in_half
from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.encoders.logprobs import build_logprobs
from antigravity.simulator.encoders.png import PNG_BASE64
from antigravity.simulator.errors import ApiError, openai_error
from antigravity.simulator.script import Call, Script
from antigravity.simulator.view import compact

_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "tool": "tool_calls",
    "stop_sequence": "stop",
    "filter": "content_filter",
}
_IMAGE: Final = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{PNG_BASE64}"},
}
_DONE: Final = Event("[DONE]")


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return the whole completion."""
    choices = []
    for index in range(script.choices):
        chosen = script.choice(index)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": chosen.text or None,
            "refusal": None,
            "annotations": _annotations(chosen),
        }
        if not chosen.text and not chosen.calls and not chosen.image:
            message["content"] = ""
        if chosen.thinking:
            message["reasoning_content"] = chosen.thinking
        if chosen.calls:
            message["tool_calls"] = [_call(call) for call in chosen.calls]
        if chosen.image:
            message["images"] = [_IMAGE]
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": _logprobs(chosen.text, context),
                "finish_reason": _reason(chosen),
            }
        )
    return {
        "id": context.id("chatcmpl-"),
        "object": "chat.completion",
        "created": context.created,
        "model": context.view.model,
        "choices": choices,
        "usage": _usage(script),
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the chunks of the stream."""
    wants = bool((context.view.body.get("stream_options") or {}).get("include_usage"))
    envelope = {
        "id": context.id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": context.created,
        "model": context.view.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }
    if wants:
        envelope["usage"] = None
    for index in range(script.choices):
        chosen = script.choice(index)
        for delta, content, reason in _deltas(chosen):
            choice: dict[str, Any] = {
                "index": index,
                "delta": delta,
                "logprobs": _logprobs(delta.get("content") or "", context),
                "finish_reason": reason,
            }
            yield Event({**envelope, "choices": [choice]}, content=content)
    if wants:
        yield Event({**envelope, "choices": [], "usage": _usage(script)})
    yield _DONE


def _deltas(script: Script) -> Iterator[tuple[dict[str, Any], bool, str | None]]:
    yield {"role": "assistant", "content": "", "refusal": None}, False, None
    for piece in split_in_half(script.thinking):
        yield {"reasoning_content": piece}, True, None
    for chunk in script.chunks:
        yield {"content": chunk}, True, None
    if script.citations:
        yield {"annotations": _annotations(script)}, False, None
    if script.image:
        yield {"images": [_IMAGE]}, True, None
    for position, call in enumerate(script.calls):
        whole = _call(call)
        field, text = ("custom", "input") if call.custom else ("function", "arguments")
        opening = {**whole, field: {**whole[field], text: ""}, "index": position}
        yield {"tool_calls": [opening]}, True, None
        for piece in split_in_half(whole[field][text]):
            yield {"tool_calls": [{"index": position, field: {text: piece}}]}, False, None
    yield {}, False, _reason(script)


def encode_error(error: ApiError, _: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    return [Event(openai_error(error).body)]


def encode_completion(script: Script, context: Context) -> dict[str, Any]:
    """Return a whole (legacy) completion."""
    choices = [
        {
            "index": index,
            "text": script.choice(index).text,
            "logprobs": None,
            "finish_reason": _reason(script),
        }
        for index in range(script.choices)
    ]
    return {**_completion(context), "choices": choices, "usage": _usage(script)}


def encode_completion_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the chunks of a (legacy) completion."""
    wants = bool((context.view.body.get("stream_options") or {}).get("include_usage"))
    envelope = _completion(context)
    if wants:
        envelope["usage"] = None
    for index in range(script.choices):
        for chunk in (*script.choice(index).chunks, ""):
            choice = {
                "index": index,
                "text": chunk,
                "logprobs": None,
                "finish_reason": None if chunk else _reason(script),
            }
            yield Event({**envelope, "choices": [choice]}, content=bool(chunk))
    if wants:
        yield Event({**envelope, "choices": [], "usage": _usage(script)})
    yield _DONE


def _completion(context: Context) -> dict[str, Any]:
    return {
        "id": context.id("cmpl-"),
        "object": "text_completion",
        "created": context.created,
        "model": context.view.model,
        "system_fingerprint": "fp_simulator",
    }


def _reason(script: Script) -> str:
    return _REASONS.get(script.finish, script.spelled or script.finish)


def _call(call: Call) -> dict[str, Any]:
    if call.custom:
        return {
            "id": call.id,
            "type": "custom",
            "custom": {"name": call.name, "input": call.text},
        }
    function = {"name": call.name, "arguments": compact(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _annotations(script: Script) -> list[dict[str, Any]]:
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": item.start,
                "end_index": item.stop,
                "url": item.url,
                "title": item.title,
            },
        }
        for item in script.citations
    ]


def _logprobs(text: str, context: Context) -> dict[str, Any] | None:
    count = context.view.logprobs
    if count is None:
        return None
    return {"content": build_logprobs(text, count), "refusal": None}


def _usage(script: Script) -> dict[str, Any]:
    response = script.usage.response * script.choices + script.usage.thinking
    return {
        "prompt_tokens": script.usage.prompt,
        "completion_tokens": response,
        "total_tokens": script.usage.prompt + response,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": script.usage.thinking,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
