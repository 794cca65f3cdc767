"""Chat completions through the ``openai`` SDK."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
from collections.abc import Sequence
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.interop.sdk_drivers import Media, Mode, ModelResponse, Options, Result, ToolCall

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tools", "content_filter": "filter"}


@functools.cache
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0, timeout=30)


def image_part(media: Media) -> dict[str, Any]:
    url = f"data:{media.mime_type};base64,{media.data}"
    if media.mime_type == "application/pdf":
        return {"type": "file", "file": {"filename": "paper.pdf", "file_data": url}}
    return {"type": "image_url", "image_url": {"url": url}}


def arguments(options: Options) -> dict[str, Any]:
    """Return the arguments of ``create`` for the options."""
    found: dict[str, Any] = {}
    if options.tools:
        found["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                },
            }
            for tool in options.tools
        ]
    if options.choice:
        words = {"any": "required", "none": "none"}
        named = {"type": "function", "function": {"name": options.choice}}
        found["tool_choice"] = words.get(options.choice, named)
    if options.parallel is not None:
        found["parallel_tool_calls"] = options.parallel
    if options.thinking is not None:
        found["reasoning_effort"] = "none" if options.thinking == "off" else options.thinking
    if options.schema is not None:
        form = {"name": "form", "schema": options.schema, "strict": True}
        found["response_format"] = {"type": "json_schema", "json_schema": form}
    if options.stop:
        found["stop"] = list(options.stop)
    if options.max_tokens is not None:
        found["max_completion_tokens"] = options.max_tokens
    if options.n != 1:
        found["n"] = options.n
    if options.search:
        found["web_search_options"] = {}
    if options.images:
        found["extra_body"] = {"modalities": ["text", "image"]}
    if options.logprobs is not None:
        found |= {"logprobs": True, "top_logprobs": options.logprobs}
    return found


class Chat:
    """Chat completions."""

    name = "chat"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        system = [{"role": "system", "content": options.system}] if options.system else []
        create = functools.partial(
            client(url).chat.completions.create,
            model=model,
            messages=[*system, *history],
            **arguments(options),
        )
        if mode == "whole":
            return read(create())
        state = ChatCompletionStreamState()
        for chunk in create(stream=True, stream_options={"include_usage": True}):
            # The SDK makes an exception of these two reasons, at the end of the stream.
            with contextlib.suppress(
                openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError
            ):
                state.handle_chunk(chunk)
        return read(state.current_completion_snapshot)

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        if not media:
            return [{"role": "user", "content": text}]
        parts = [{"type": "text", "text": text}, *map(image_part, media)]
        return [{"role": "user", "content": parts}]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return [answer.turn]

    def results(self, results: Sequence[Result]) -> list[Any]:
        messages: list[Any] = []
        for result in results:
            content: Any = result.text
            if result.media is not None:
                content = [{"type": "text", "text": result.text}, image_part(result.media)]
            messages.append({"role": "tool", "tool_call_id": result.call.id, "content": content})
        return messages


def read(completion: Any) -> ModelResponse:
    """Return what a completion says."""
    choice = completion.choices[0]
    message = choice.message
    calls = [
        ToolCall(call.id, call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or ()
    ]
    details = completion.usage.completion_tokens_details
    return ModelResponse(
        text=message.content or "",
        thinking=getattr(message, "reasoning_content", None) or "",
        calls=calls,
        finish=_FINISH[choice.finish_reason],
        input_tokens=completion.usage.prompt_tokens,
        output_tokens=completion.usage.completion_tokens,
        total_tokens=completion.usage.total_tokens,
        thinking_tokens=details.reasoning_tokens if details else None,
        images=[_image(image) for image in getattr(message, "images", None) or ()],
        sources=[note.url_citation.url for note in _annotations(message)],
        choices=[each.message.content for each in completion.choices],
        logprobs=[e.token for e in choice.logprobs.content] if choice.logprobs else [],
        turn=message.model_dump(exclude_none=True, exclude={"parsed"}),
        raw=completion,
    )


def _annotations(message: Any) -> Sequence[Any]:
    found = message.annotations or ()
    return [note for note in found if note.type == "url_citation"]


def _image(image: dict[str, Any]) -> bytes:
    return base64.b64decode(image["image_url"]["url"].partition(",")[2])
