"""Responses through the ``openai`` SDK."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from tests.interop.openai_chat_driver import client
from tests.interop.sdk_drivers import (
    BrokenOffError,
    Media,
    Mode,
    ModelResponse,
    Options,
    Result,
    ToolCall,
)


def image_part(media: Media) -> dict[str, Any]:
    url = f"data:{media.mime_type};base64,{media.data}"
    if media.mime_type == "application/pdf":
        return {"type": "input_file", "filename": "paper.pdf", "file_data": url}
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def arguments(options: Options) -> dict[str, Any]:
    """Return the arguments of ``create`` for the options."""
    found: dict[str, Any] = {}
    tools: list[dict[str, Any]] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema,
            "strict": False,
        }
        for tool in options.tools
    ]
    if options.search:
        tools.append({"type": "web_search"})
    if options.images:
        tools.append({"type": "image_generation"})
    if tools:
        found["tools"] = tools
    if options.system:
        found["instructions"] = options.system
    if options.choice:
        words = {"any": "required", "none": "none"}
        named = {"type": "function", "name": options.choice}
        found["tool_choice"] = words.get(options.choice, named)
    if options.parallel is not None:
        found["parallel_tool_calls"] = options.parallel
    if options.thinking is not None:
        effort = "none" if options.thinking == "off" else options.thinking
        found["reasoning"] = {"effort": effort, "summary": "auto"}
    if options.schema is not None:
        form = {"type": "json_schema", "name": "form", "schema": options.schema, "strict": True}
        found["text"] = {"format": form}
    if options.max_tokens is not None:
        found["max_output_tokens"] = options.max_tokens
    if options.logprobs is not None:
        found["top_logprobs"] = options.logprobs
        found["include"] = ["message.output_text.logprobs"]
    return found


class Responses:
    """Responses, the client keeping the conversation (``store=False``), as coding agents do."""

    name = "responses"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        found = arguments(options)
        found["include"] = [*found.get("include", ()), "reasoning.encrypted_content"]
        settings = {"model": model, "input": history, "store": False, **found}
        if mode == "whole":
            return read(client(url).responses.create(**settings))
        with client(url).responses.stream(**settings) as stream:
            for event in stream:
                if event.type in ("error", "response.failed"):
                    raise BrokenOffError(event)  # the SDK leaves that to its user
                final = getattr(event, "response", None)
            return read(final)  # not get_final_response(): it knows no incomplete ones

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        parts = [{"type": "input_text", "text": text}, *map(image_part, media)]
        return [{"role": "user", "content": parts}]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return list(answer.turn)

    def results(self, results: Sequence[Result]) -> list[Any]:
        items: list[Any] = []
        for result in results:
            output: Any = result.text
            if result.media is not None:
                output = [{"type": "input_text", "text": result.text}, image_part(result.media)]
            call_id = result.call.id
            items.append({"type": "function_call_output", "call_id": call_id, "output": output})
        return items


def read(response: Any) -> ModelResponse:
    """Return what a response says."""
    answer = ModelResponse(
        text=response.output_text,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        total_tokens=response.usage.total_tokens,
        thinking_tokens=response.usage.output_tokens_details.reasoning_tokens,
        raw=response,
    )
    for item in response.output:
        if item.type == "reasoning":
            answer.thinking += "".join(part.text for part in item.summary or ())
        elif item.type == "function_call":
            answer.calls.append(ToolCall(item.call_id, item.name, json.loads(item.arguments)))
        elif item.type == "image_generation_call":
            answer.images.append(base64.b64decode(item.result))
        elif item.type == "message":
            for part in item.content:
                answer.sources += [note.url for note in getattr(part, "annotations", None) or ()]
                answer.logprobs += [each.token for each in getattr(part, "logprobs", None) or ()]
    answer.finish = _finish(response, answer)
    answer.choices = [answer.text]
    answer.turn = [_again(item) for item in response.output]
    return answer


def _again(item: Any) -> dict[str, Any]:
    """Return an item of the output as an item of the next input."""
    dumped: dict[str, Any] = item.model_dump(exclude_none=True, mode="json")
    dumped.pop("parsed_arguments", None)
    for part in dumped.get("content") or ():
        part.pop("parsed", None)
    return dumped


def _finish(response: Any, answer: ModelResponse) -> str:
    if response.status == "incomplete":
        words = {"max_output_tokens": "length", "content_filter": "filter"}
        return words[response.incomplete_details.reason]
    assert response.status == "completed", response.error
    return "tools" if answer.calls else "stop"
