"""Gemini through the older ``google-generativeai`` SDK, over REST."""

from __future__ import annotations

import base64
import functools
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from tests.interop.sdk_drivers import (
    BrokenOffError,
    Media,
    Mode,
    ModelResponse,
    Options,
    Result,
    ToolCall,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it announces its own end
    import google.generativeai as sdk
    from google.generativeai import protos


@functools.cache
def connect(url: str) -> None:
    """Point the SDK at the gateway; it has one global client."""
    sdk.configure(api_key="any", transport="rest", client_options={"api_endpoint": url})


def name_of(model: str) -> str:
    """Return a name in the only form that the SDK takes: one segment after ``models/``."""
    return "models/" + model.replace("/", "%2F")


def model_of(url: str, model: str, options: Options) -> sdk.GenerativeModel:
    """Return the SDK's model object for the options."""
    connect(url)
    found: dict[str, Any] = {}
    if options.tools:
        found["tools"] = [
            {
                "function_declarations": [
                    {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.schema,
                    }
                    for tool in options.tools
                ]
            }
        ]
    if options.system:
        found["system_instruction"] = options.system
    if options.choice:
        words = {"any": {"mode": "any"}, "none": {"mode": "none"}}
        named = {"mode": "any", "allowed_function_names": [options.choice]}
        calling = words.get(options.choice, named)
        found["tool_config"] = {"function_calling_config": calling}
    generation: dict[str, Any] = {}
    if options.schema is not None:
        generation["response_mime_type"] = "application/json"
        generation["response_schema"] = options.schema
    if options.stop:
        generation["stop_sequences"] = list(options.stop)
    if options.max_tokens is not None:
        generation["max_output_tokens"] = options.max_tokens
    if options.n != 1:
        generation["candidate_count"] = options.n
    if generation:
        found["generation_config"] = generation
    return sdk.GenerativeModel(name_of(model), **found)


class GenerativeAI:
    """Gemini's generateContent, through the older SDK."""

    name = "generativeai"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        made = model_of(url, model, options)
        once = {"retry": None, "timeout": 30}
        if mode == "whole":
            return read([made.generate_content(history, request_options=once)])
        return read(made.generate_content(history, request_options=once, stream=True))

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        parts = [
            protos.Part(
                inline_data=protos.Blob(mime_type=each.mime_type, data=base64.b64decode(each.data))
            )
            for each in media
        ]
        return [protos.Content(role="user", parts=[*parts, protos.Part(text=text)])]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return [protos.Content(role="model", parts=answer.turn)]

    def results(self, results: Sequence[Result]) -> list[Any]:
        parts = []
        for result in results:
            response = protos.FunctionResponse(
                name=result.call.name, response={"result": result.text}
            )
            parts.append(protos.Part(function_response=response))
        return [protos.Content(role="user", parts=parts)]


def read(chunks: Iterable[Any]) -> ModelResponse:
    """Return what an answer says, be it whole or in chunks."""
    answer = ModelResponse(turn=[])
    texts: dict[int, str] = {}
    for chunk in chunks:
        for candidate in chunk.candidates:
            for part in candidate.content.parts:
                _take(answer, part, candidate.index, texts)
            if candidate.finish_reason:
                answer.finish = _finish(candidate.finish_reason.name, answer)
        usage = chunk.usage_metadata
        answer.input_tokens = usage.prompt_token_count
        answer.total_tokens = usage.total_token_count
        answer.output_tokens = answer.total_tokens - answer.input_tokens
        answer.raw = chunk
    answer.choices = [texts[index] for index in sorted(texts)]
    return answer


def _take(answer: ModelResponse, part: Any, index: int, texts: dict[int, str]) -> None:
    if "text" in part:
        texts[index] = texts.get(index, "") + part.text
    if index:
        return
    answer.turn.append(part)
    if "text" in part:
        answer.text += part.text
    elif "function_call" in part:
        call = part.function_call
        answer.calls.append(ToolCall("", call.name, type(call).to_dict(call)["args"]))
    elif "inline_data" in part:
        answer.images.append(part.inline_data.data)


def _finish(reason: str, answer: ModelResponse) -> str:
    if reason == "MALFORMED_FUNCTION_CALL":
        raise BrokenOffError(reason)  # the SDK does not look at errors inside of streams
    words = {"STOP": "tools" if answer.calls else "stop", "MAX_TOKENS": "length"}
    return words.get(reason, "filter")
