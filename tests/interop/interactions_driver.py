"""Gemini's Interactions through the ``google-genai`` SDK."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from google import genai
from google.genai import _interactions_errors as errors
from google.genai import types

from tests.interop.genai_driver import client
from tests.interop.sdk_drivers import (
    BrokenOffError,
    Media,
    Mode,
    ModelResponse,
    Options,
    Result,
    ToolCall,
)

#: The errors that the SDK raises, and those among them that have a status.
APIError, APIStatusError = errors.APIError, errors.APIStatusError
NotFoundError, BadRequestError = errors.NotFoundError, errors.BadRequestError


def client_of(url: str, key: str) -> genai.Client:
    """Return a client with an API key of the gateway, which tries nothing twice."""
    once = types.HttpRetryOptions(attempts=1)
    options = types.HttpOptions(base_url=url, timeout=30_000, retry_options=once)
    return genai.Client(api_key=key, http_options=options)


def content(media: Media) -> dict[str, Any]:
    kind = "document" if media.mime_type == "application/pdf" else "image"
    return {"type": kind, "data": media.data, "mime_type": media.mime_type}


def arguments(options: Options) -> dict[str, Any]:
    """Return the arguments of ``create`` for the options."""
    found: dict[str, Any] = {}
    config: dict[str, Any] = {}
    tools: list[dict[str, Any]] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema,
        }
        for tool in options.tools
    ]
    if options.search:
        tools.append({"type": "google_search"})
    if tools:
        found["tools"] = tools
    if options.system:
        found["system_instruction"] = options.system
    if options.choice:
        named = {"allowed_tools": {"mode": "any", "tools": [options.choice]}}
        config["tool_choice"] = options.choice if options.choice in ("any", "none") else named
    if options.thinking is not None:
        config["thinking_level"] = "none" if options.thinking == "off" else options.thinking
        config["thinking_summaries"] = "auto"
    if options.schema is not None:
        form = {"type": "text", "mime_type": "application/json", "schema": options.schema}
        found["response_format"] = form
    if options.stop:
        config["stop_sequences"] = list(options.stop)
    if options.max_tokens is not None:
        config["max_output_tokens"] = options.max_tokens
    if options.images:
        found["response_modalities"] = ["text", "image"]
    if config:
        found["generation_config"] = config
    return found


class Interactions:
    """Interactions, the client keeping the conversation (``store=False``)."""

    name = "interactions"

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        settings = {"model": model, "input": history, "store": False, **arguments(options)}
        interactions = client(url).interactions
        if mode == "whole":
            made = interactions.create(**settings)
            return read(made, [_dumped(step) for step in made.steps or ()])
        return collect(interactions.create(stream=True, **settings))

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        parts = [{"type": "text", "text": text}, *map(content, media)]
        return [{"type": "user_input", "content": parts}]

    def assistant(self, answer: ModelResponse) -> list[Any]:
        return list(answer.turn)

    def results(self, results: Sequence[Result]) -> list[Any]:
        steps: list[Any] = []
        for result in results:
            found: Any = result.text
            if result.media is not None:
                found = [{"type": "text", "text": result.text}, content(result.media)]
            call = {"call_id": result.call.id, "name": result.call.name}
            steps.append({"type": "function_result", **call, "result": found})
        return steps


def _dumped(value: Any) -> Any:
    return value.model_dump(exclude_none=True, mode="json")


def collect(events: Iterable[Any]) -> ModelResponse:
    """Return what a stream says, put together from its deltas alone."""
    steps: dict[int, dict[str, Any]] = {}
    pieces: dict[int, str] = {}
    ended: Any = None
    for event in events:
        match event.event_type:
            case "step.start":
                assert event.index == len(steps)
                steps[event.index] = _dumped(event.step)
            case "step.delta":
                _add(steps[event.index], _dumped(event.delta), pieces, event.index)
            case "error":
                raise BrokenOffError(event)
            case "interaction.completed":
                ended = event.interaction
    for index, text in pieces.items():
        steps[index]["arguments"] = json.loads(text)
    assert ended is not None
    return read(ended, [steps[index] for index in sorted(steps)])


def _add(step: dict[str, Any], delta: dict[str, Any], pieces: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "text":
            contents = step.setdefault("content", [])
            if not contents or contents[-1]["type"] != "text":
                contents.append({"type": "text", "text": ""})
            contents[-1]["text"] += delta["text"]
        case "text_annotation_delta":
            contents = step["content"]
            contents[-1].setdefault("annotations", []).extend(delta["annotations"])
        case "thought_summary":
            summary = step.setdefault("summary", [{"type": "text", "text": ""}])
            summary[-1]["text"] += delta["content"]["text"]
        case "thought_signature":
            step["signature"] = delta["signature"]
        case "arguments_delta":
            pieces[index] = pieces.get(index, "") + delta["arguments"]
        case _:
            step.setdefault("content", []).append(delta)


def read(made: Any, steps: list[dict[str, Any]]) -> ModelResponse:
    """Return what an interaction says."""
    usage = made.usage
    thoughts = usage.total_thought_tokens or 0
    answer = ModelResponse(
        input_tokens=usage.total_input_tokens + (usage.total_tool_use_tokens or 0),
        output_tokens=usage.total_output_tokens + thoughts,
        total_tokens=usage.total_tokens,
        thinking_tokens=thoughts,
        turn=steps,
        raw=made,
    )
    for step in steps:
        if step["type"] == "thought":
            answer.thinking += "".join(each["text"] for each in step.get("summary", ()))
        elif step["type"] == "function_call":
            answer.calls.append(ToolCall(step["id"], step["name"], step["arguments"]))
        elif step["type"] == "model_output":
            for each in step.get("content", ()):
                _take(answer, each)
    words = {"completed": "stop", "requires_action": "tools", "incomplete": "length"}
    answer.finish = words[made.status]
    if getattr(made, "errors", None):
        answer.finish = "filter"
    answer.choices = [answer.text]
    return answer


def _take(answer: ModelResponse, each: dict[str, Any]) -> None:
    if each["type"] == "text":
        answer.text += each["text"]
        answer.sources += [note["url"] for note in each.get("annotations", ())]
    elif each["type"] == "image":
        answer.images.append(base64.b64decode(each["data"]))
