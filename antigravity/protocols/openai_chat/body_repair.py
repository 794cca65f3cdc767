"""Repairs whole responses of compatible servers that SDKs cannot read, in native pass-through."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct


class _Function(Struct):
    name: str
    arguments: str


class _Call(Struct):
    id: str
    type: str
    function: _Function | None = None


class _Message(Struct):
    """The members of a message that SDKs rely on."""

    role: Literal["assistant"]
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct):
    finish_reason: Annotated[str, Meta(min_length=1)]
    message: _Message
    index: int


class _Response(Struct):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[_Choice]
    usage: dict[str, Any] | None = None


_check: Final = msgspec.json.Decoder(_Response).decode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def repair_body(body: bytes) -> bytes:
    """Return a chat completion with all members that SDKs need, ``body`` itself if none is missing.

    A body that is not a chat completion is returned unchanged.
    """
    with suppress(ValueError, RecursionError):
        _check(body)
        return body
    try:
        fields = _decode(body)
    except (ValueError, RecursionError):
        return body
    choices = fields.get("choices")
    if not isinstance(choices, list) or not choices or fields.get("error"):
        return body
    known = [choice for choice in choices if isinstance(choice, dict)]
    if not all(isinstance(_message(choice), dict) for choice in known):
        return body  # a legacy completion, or an unknown format
    fields["choices"] = known
    for place, choice in enumerate(known):
        _repair_choice(choice, place)
    for name, value in (("id", ""), ("created", 0), ("model", "")):
        if not isinstance(fields.get(name), type(value)):
            fields[name] = value
    fields["object"] = "chat.completion"
    if not isinstance(fields.get("usage"), dict):
        fields.pop("usage", None)
    return msgspec.json.encode(fields)


def _message(choice: dict[str, Any]) -> Any:
    return choice.get("message") or choice.get("delta")


def _repair_choice(choice: dict[str, Any], place: int) -> None:
    message: dict[str, Any] = _message(choice)
    choice.pop("delta", None)
    choice["message"] = message
    message["role"] = "assistant"
    calls = message.get("tool_calls")
    if calls:
        items = calls if isinstance(calls, list) else [calls]
        message["tool_calls"] = [
            _repaired_call(call, number) for number, call in enumerate(items) if type(call) is dict
        ]
    elif "tool_calls" in message:
        del message["tool_calls"]
    content = message.setdefault("content", None)
    if isinstance(content, list):
        _join(message, content)
    elif content is not None and not isinstance(content, str):
        message["content"] = msgspec.json.encode(content).decode()
    if not isinstance(choice.get("index"), int):
        choice["index"] = place
    if not choice.get("finish_reason"):
        choice["finish_reason"] = "tool_calls" if message.get("tool_calls") else "stop"
    elif not isinstance(choice["finish_reason"], str):
        choice["finish_reason"] = "stop"


def _repaired_call(call: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a tool call with an id, a type, and arguments that are text."""
    call["id"] = call.get("id") or f"call_{number}"
    if "custom" in call:
        return call | {"type": "custom"}
    call["type"] = "function"
    function = call.get("function")
    if isinstance(function, dict) and not isinstance(function.get("arguments"), str):
        arguments = function.get("arguments")
        function["arguments"] = msgspec.json.encode({} if arguments is None else arguments).decode()
    return call


def _join(message: dict[str, Any], parts: list[Any]) -> None:
    """Move the text of parts to ``content``, and their thinking to ``reasoning_content``."""
    texts, thoughts = [], []
    for part in parts:
        match part:
            case str(text) | {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "thinking", "thinking": str(text)}:
                thoughts.append(text)
            case {"type": "thinking", "thinking": list(inner)}:
                thoughts += [str(each.get("text") or "") for each in inner if type(each) is dict]
    message["content"] = "".join(texts) if texts or not message.get("tool_calls") else None
    if thoughts and not message.get("reasoning_content"):
        message["reasoning_content"] = "".join(thoughts)
