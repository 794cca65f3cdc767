"""Messages through the ``anthropic`` SDK."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import anthropic

from tests.interop.sdk_drivers import Media, Mode, ModelResponse, Options, Result, ToolCall

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tools",
    "refusal": "filter",
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@functools.cache
def client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="sk-any", max_retries=0, timeout=30)


def block(media: Media) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media.mime_type, "data": media.data}
    kind = "document" if media.mime_type == "application/pdf" else "image"
    return {"type": kind, "source": source}


def arguments(options: Options) -> dict[str, Any]:
    """Return the arguments of ``create`` for the options."""
    found: dict[str, Any] = {"max_tokens": options.max_tokens or 8000}
    tools: list[dict[str, Any]] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
        for tool in options.tools
    ]
    if options.search:
        tools.append(SEARCH)
    if tools:
        found["tools"] = tools
    if options.system:
        found["system"] = options.system
    choice: dict[str, Any] = {}
    if options.choice:
        named = {"type": "tool", "name": options.choice}
        words = {"any": {"type": "any"}, "none": {"type": "none"}}
        choice = words.get(options.choice, named)
    if options.parallel is not None:
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": not options.parallel}
    if choice:
        found["tool_choice"] = choice
    if options.thinking == "off":
        found["thinking"] = {"type": "disabled"}
    elif isinstance(options.thinking, int):
        found["thinking"] = {"type": "enabled", "budget_tokens": options.thinking}
    elif options.thinking is not None:
        found["thinking"] = {"type": "adaptive"}
        found["output_config"] = {"effort": options.thinking}
    if options.schema is not None:
        form = {"type": "json_schema", "schema": options.schema}
        found["output_config"] = {**found.get("output_config", {}), "format": form}
    if options.stop:
        found["stop_sequences"] = list(options.stop)
    return found


class Messages:
    """Messages."""

    name = "anthropic"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        settings = {"model": model, "messages": history, **arguments(options)}
        if mode == "whole":
            return read(client(url).messages.create(**settings))
        with client(url).messages.stream(**settings) as stream:
            for _ in stream:
                pass
            return read(stream.get_final_message())

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        parts = [*map(block, media), {"type": "text", "text": text}]
        return [{"role": "user", "content": parts if media else text}]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return [{"role": "assistant", "content": answer.turn}]

    def results(self, results: Sequence[Result]) -> list[Any]:
        blocks = []
        for result in results:
            content: Any = result.text
            if result.media is not None:
                content = [{"type": "text", "text": result.text}, block(result.media)]
            use = result.call.id
            blocks.append({"type": "tool_result", "tool_use_id": use, "content": content})
        return [{"role": "user", "content": blocks}]


def _thought(usage: Any) -> int | None:
    details = getattr(usage, "output_tokens_details", None)
    return details.thinking_tokens if details else None


def read(message: Any) -> ModelResponse:
    """Return what a message says."""
    usage = message.usage
    given = usage.input_tokens
    given += (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    answer = ModelResponse(
        finish=_FINISH[message.stop_reason],
        input_tokens=given,
        output_tokens=usage.output_tokens,
        total_tokens=given + usage.output_tokens,
        thinking_tokens=_thought(usage),
        turn=message.content,
        raw=message,
    )
    for part in message.content:
        if part.type == "text":
            answer.text += part.text
            answer.sources += [note.url for note in part.citations or ()]
        elif part.type == "thinking":
            answer.thinking += part.thinking
        elif part.type == "tool_use":
            answer.calls.append(ToolCall(part.id, part.name, part.input))
    answer.choices = [answer.text]
    return answer
