"""Gemini through the ``google-genai`` SDK."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from google import genai
from google.genai import types

from tests.interop.sdk_drivers import Media, Mode, ModelResponse, Options, Result, ToolCall

_FILTERED = ("SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII")


#: A client closes when it is collected: threads must not make two of which one is cached.
_LOCK = threading.Lock()


def client(url: str, version: str = "") -> genai.Client:
    """Return the one client for this URL and version of the API."""
    with _LOCK:
        return _client(url, version)


@functools.cache
def _client(url: str, version: str) -> genai.Client:
    once = types.HttpRetryOptions(attempts=1)
    options = types.HttpOptions(base_url=url, timeout=30_000, retry_options=once)
    if version:
        options.api_version = version
    return genai.Client(api_key="any", http_options=options)


def part(media: Media) -> types.Part:
    data = base64.b64decode(media.data)
    return types.Part.from_bytes(data=data, mime_type=media.mime_type)


def config(options: Options) -> types.GenerateContentConfig:
    """Return the configuration for the options."""
    found: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []
    if options.tools:
        declarations = [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters_json_schema": tool.schema,
            }
            for tool in options.tools
        ]
        tools.append({"function_declarations": declarations})
    if options.search:
        tools.append({"google_search": {}})
    if tools:
        found["tools"] = tools
    if options.system:
        found["system_instruction"] = options.system
    if options.choice:
        words = {"any": {"mode": "ANY"}, "none": {"mode": "NONE"}}
        named = {"mode": "ANY", "allowed_function_names": [options.choice]}
        calling = words.get(options.choice, named)
        found["tool_config"] = {"function_calling_config": calling}
    if options.thinking == "off":
        found["thinking_config"] = {"thinking_budget": 0}
    elif isinstance(options.thinking, int):
        budget = {"thinking_budget": options.thinking, "include_thoughts": True}
        found["thinking_config"] = budget
    elif options.thinking is not None:
        level = {"thinking_level": options.thinking.upper(), "include_thoughts": True}
        found["thinking_config"] = level
    if options.schema is not None:
        found["response_mime_type"] = "application/json"
        found["response_json_schema"] = options.schema
    if options.stop:
        found["stop_sequences"] = list(options.stop)
    if options.max_tokens is not None:
        found["max_output_tokens"] = options.max_tokens
    if options.n != 1:
        found["candidate_count"] = options.n
    if options.images:
        found["response_modalities"] = ["TEXT", "IMAGE"]
    if options.logprobs is not None:
        found |= {"response_logprobs": True, "logprobs": options.logprobs}
    return types.GenerateContentConfig(**found)


class GenAI:
    """Gemini's generateContent, through the newer SDK."""

    name = "genai"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        settings: dict[str, Any] = {
            "model": model,
            "contents": history,
            "config": config(options),
        }
        models = client(url).models
        if mode == "whole":
            return read([models.generate_content(**settings)])
        return read(models.generate_content_stream(**settings))

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        return [types.UserContent([*map(part, media), types.Part.from_text(text=text)])]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return [types.ModelContent(answer.turn)]

    def results(self, results: Sequence[Result]) -> list[Any]:
        parts = []
        for result in results:
            inside = []
            if result.media is not None:
                data = base64.b64decode(result.media.data)
                blob = types.FunctionResponseBlob(mime_type=result.media.mime_type, data=data)
                inside.append(types.FunctionResponsePart(inline_data=blob))
            response = types.FunctionResponse(
                id=result.call.id or None,
                name=result.call.name,
                response={"result": result.text},
                parts=inside or None,
            )
            parts.append(types.Part(function_response=response))
        return [types.UserContent(parts)]


def read(chunks: Iterable[types.GenerateContentResponse]) -> ModelResponse:
    """Return what an answer says, be it whole or in chunks."""
    answer = ModelResponse(turn=[])
    texts: dict[int, str] = {}
    last: Any = None
    for last in chunks:
        for candidate in last.candidates or ():
            index = candidate.index or 0
            parts = candidate.content.parts if candidate.content else None
            for each in parts or ():
                _take(answer, each, index, texts)
            _notes(answer, candidate)
            if candidate.finish_reason is not None:
                answer.finish = _finish(candidate.finish_reason.name, answer)
        if last.usage_metadata is not None:
            _usage(answer, last.usage_metadata)
    answer.choices = [texts[index] for index in sorted(texts)]
    answer.raw = last
    return answer


def _take(answer: ModelResponse, each: types.Part, index: int, texts: dict[int, str]) -> None:
    if each.text and not each.thought:
        texts[index] = texts.get(index, "") + each.text
    if index:
        return
    answer.turn.append(each)
    if each.text and each.thought:
        answer.thinking += each.text
    elif each.text:
        answer.text += each.text
    elif each.function_call is not None:
        call = each.function_call
        answer.calls.append(ToolCall(call.id or "", call.name or "", call.args))
    elif each.inline_data is not None:
        answer.images.append(each.inline_data.data or b"")


def _notes(answer: ModelResponse, candidate: types.Candidate) -> None:
    grounding = candidate.grounding_metadata
    for chunk in (grounding and grounding.grounding_chunks) or ():
        assert chunk.web is not None
        if chunk.web.uri not in answer.sources:
            answer.sources.append(chunk.web.uri or "")
    found = candidate.logprobs_result
    if found is not None:
        answer.logprobs += [each.token or "" for each in found.chosen_candidates or ()]


def _finish(reason: str, answer: ModelResponse) -> str:
    if reason in _FILTERED:
        return "filter"
    words = {"STOP": "tools" if answer.calls else "stop", "MAX_TOKENS": "length"}
    return words[reason]


def _usage(answer: ModelResponse, usage: types.GenerateContentResponseUsageMetadata) -> None:
    answer.thinking_tokens = usage.thoughts_token_count or 0
    answer.input_tokens = usage.prompt_token_count or 0
    answer.output_tokens = (usage.candidates_token_count or 0) + answer.thinking_tokens
    answer.total_tokens = usage.total_token_count or 0
