"""Encodes whole chat completions."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.response import Choice, Response, unfold
from antigravity.protocols.openai_chat.audio_formats import join_base64
from antigravity.protocols.openai_chat.server_deltas import ChoiceDeltas, JsonObject, is_legacy
from antigravity.protocols.openai_chunks import completion_reply

#: Members with which a message without text has ``null`` as its content.
_INSTEAD_OF_TEXT: Final = frozenset({"tool_calls", "function_call", "audio", "images"})


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a completion whose messages are the joined deltas of a stream."""
    legacy = is_legacy(context)
    choices = [
        _choice(choice, ChoiceDeltas(context, index, legacy=legacy))
        for index, choice in enumerate(response.choices)
    ]
    return completion_reply(context, "chatcmpl-", "chat.completion", choices, response.usage)


def _choice(choice: Choice, deltas: ChoiceDeltas) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    whole: JsonObject = {"message": message, "logprobs": None, "finish_reason": None}
    audio: list[str] = []
    for event in unfold(choice):
        found = deltas.of(event)
        if found is None:
            continue
        delta = found.pop("delta")
        if "audio" in delta:
            audio.append(delta["audio"].pop("data"))
        _join(message, delta)
        whole |= {name: value for name, value in found.items() if value is not None}
    if audio:
        message["audio"] = {"data": join_base64(audio), "transcript": "", **message["audio"]}
    if not message["content"] and (message["refusal"] or message.keys() & _INSTEAD_OF_TEXT):
        message["content"] = None
    return whole


def _join(value: JsonObject, delta: JsonObject) -> None:
    """Add a delta to a message, or to a part of it: texts are joined, items found by index."""
    for name, more in delta.items():
        if isinstance(more, dict):
            _join(value.setdefault(name, {}), more)
        elif isinstance(more, list):
            items = value.setdefault(name, [])
            for item in more:
                index = item["index"] if name == "images" else item.pop("index")
                if index == len(items):
                    items.append({})
                _join(items[index], item)
        else:
            value[name] = value[name] + more if isinstance(value.get(name), str) else more
