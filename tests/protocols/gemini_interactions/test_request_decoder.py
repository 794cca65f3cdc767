"""What requests for interactions mean, in each of the forms that clients write."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    Citation,
    Media,
    Opaque,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, ResponseFormat, ThinkingConfig
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool
from tests.protocols.gemini_interactions.builders import SERVER, call, decode

HI = {"type": "text", "text": "hi"}
USER = Message("user", (Text("hi"),))


@pytest.mark.parametrize(
    "given",
    [
        "hi",
        HI,
        [HI],
        ["hi"],
        [{"type": "user_input", "content": [HI]}],
        [{"type": "user_input", "content": "hi"}],
        [{"role": "user", "content": [HI]}],
    ],
)
def test_text_of_the_user_has_several_forms(given: Any) -> None:
    assert decode({"input": given}).messages == (USER,)


def test_steps_become_turns() -> None:
    request = decode(
        {
            "input": [
                {"type": "user_input", "content": [HI]},
                {"type": "model_output", "content": [HI]},
                {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
                {"type": "function_call", "id": "d", "name": "f", "arguments": '{"a":2}'},
                {"type": "function_result", "call_id": "c", "result": {"x": 1}},
                {"type": "function_result", "call_id": "d", "result": [HI], "is_error": True},
                {"type": "google_search_call", "id": "s", "arguments": {"queries": ["q"]}},
                {
                    "type": "google_search_result",
                    "call_id": "s",
                    "result": [{"url": "https://a.example", "title": "A"}, {"rendered": 1}],
                },
                {"type": "code_execution_call", "id": "e", "arguments": {"code": "1"}},
            ]
        }
    )
    kept = {"type": "code_execution_call", "id": "e", "arguments": {"code": "1"}}
    assert request.messages == (
        USER,
        Message(
            "assistant",
            (Text("hi"), ToolCall("c", "f", '{"a":1}'), ToolCall("d", "f", '{"a":2}')),
        ),
        Message(
            "user",
            (ToolResult("c", (Text('{"x":1}'),)), ToolResult("d", (Text("hi"),), is_error=True)),
        ),
        Message(
            "assistant",
            (
                WebSearch("s", ("q",), (SearchResult("https://a.example", "A"),)),
                Opaque("gemini_interactions", "code_execution_call", kept),
            ),
        ),
    )


def test_media_and_citations() -> None:
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}
    request = decode(
        {
            "input": [
                {"type": "image", "data": "AAAA", "mime_type": "image/png", "resolution": "low"},
                {"type": "audio", "uri": "https://a.example/x.wav"},
                {
                    "type": "document",
                    "uri": "https://generativelanguage.googleapis.com/v1beta/files/x",
                },
                {"type": "model_output", "content": [{**HI, "annotations": [note]}]},
            ]
        }
    )
    file = "https://generativelanguage.googleapis.com/v1beta/files/x"
    assert request.messages == (
        Message(
            "user",
            (
                Media("image", InlineData("AAAA"), "image/png", detail="low"),
                Media("audio", UrlSource("https://a.example/x.wav")),
                Media("document", FileReference(file, "google")),
            ),
        ),
        Message("assistant", (Text("hi", (Citation("u", "t", start=0, end=2),)),)),
    )


def test_settings_are_decoded() -> None:
    request = decode(
        {
            "model": "models/m",
            "system_instruction": "Be brief.",
            "generation_config": {
                "temperature": 0.5,
                "seed": 3,
                "stop_sequences": ["x"],
                "max_output_tokens": 9,
                "thinking_level": "high",
                "thinking_summaries": "auto",
                "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}},
                "speech_config": [{"voice": "Kore", "language": "en-US"}],
                "video_config": {"task": "edit"},
            },
            "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object"}},
                {"type": "google_search"},
                {"type": "file_search", "file_search_store_names": ["s"], "top_k": 3},
                {"type": "computer_use"},
            ],
            "labels": {"team": "a"},
            "service_tier": "flex",
            "safety_settings": [{"type": "harassment", "threshold": "off"}],
        }
    )
    assert request.model == "m"
    assert request.system == (Text("Be brief."),)
    assert (request.sampling.temperature, request.sampling.seed) == (0.5, 3)
    assert (request.stop, request.max_output_tokens) == (("x",), 9)
    assert request.thinking == ThinkingConfig("on", effort="high", include=True)
    assert request.tool_choice == ToolChoice("required", ("f",))
    search = {"fileSearch": {"fileSearchStoreNames": ["s"], "topK": 3}}
    assert request.tools == (
        FunctionTool("f", "", {"type": "object"}),
        WebSearchTool(),
        HostedTool("file_search", "gemini", search),
        HostedTool("computer_use", "gemini_interactions", {"type": "computer_use"}),
    )
    assert request.audio_config == {
        "languageCode": "en-US",
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
    }
    assert (request.metadata, request.service_tier) == ({"team": "a"}, "flex")
    assert set(request.extensions) == {"generation_config.video_config", "safety_settings"}


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("fields", "form", "modalities"),
    [
        ({"response_format": SCHEMA}, ResponseFormat("schema", schema=SCHEMA), ()),
        (
            {
                "response_format": {
                    "type": "text",
                    "mime_type": "application/json",
                    "schema": SCHEMA,
                }
            },
            ResponseFormat("schema", schema=SCHEMA),
            (),
        ),
        ({"response_mime_type": "application/json"}, ResponseFormat("json"), ()),
        ({"response_format": [{"type": "text"}, {"type": "image"}]}, None, ("text", "image")),
        ({"response_modalities": ["IMAGE"]}, None, ("image",)),
        ({"response_format": {"type": "text", "mime_type": "text/plain"}}, None, ()),
    ],
)
def test_response_format_has_several_forms(
    fields: Any, form: ResponseFormat | None, modalities: tuple[str, ...]
) -> None:
    request = decode(fields)
    assert request.response_format == (form or ResponseFormat())
    assert request.modalities == modalities


def test_image_settings_are_gemini_s() -> None:
    form = {"type": "image", "aspect_ratio": "1:1", "image_size": "2K", "mime_type": "image/jpeg"}
    assert decode({"response_format": form}).image_config == {
        "aspectRatio": "1:1",
        "imageSize": "2K",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"type": "painting"}]}, "input[0].type"),
        ({"input": [{"type": "image", "data": "A"}]}, "input[0].data"),
        ({"input": [{"type": "image", "data": "AAAA"}]}, "input[0].mime_type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].id"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"generation_config": {"tool_choice": "some"}}, "generation_config.tool_choice"),
        ({"generation_config": {"thinking_level": "huge"}}, "generation_config.thinking_level"),
        ({"generation_config": {"max_output_tokens": 0}}, "generation_config.max_output_tokens"),
        ({"background": True}, "background"),
        ({"environment": "e"}, "environment"),
    ],
)
def test_errors_name_the_field(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode(fields)
    assert caught.value.param == param


def test_head_needs_a_model_or_an_agent() -> None:
    head = SERVER.peek(call({"model": "models/m", "stream": True}))
    assert (head.model, head.stream) == ("m", True)
    with pytest.raises(InvalidRequestError):
        SERVER.peek(call({"input": "x"}))
    agent = call({"agent": "deep-research-preview-04-2026", "input": "x"})
    assert SERVER.peek(agent).model == "deep-research-preview-04-2026"
    changed = SERVER.with_model(agent, "other")
    assert json.loads(changed) == {"agent": "other", "input": "x"}
    with pytest.raises(NotFoundError):
        SERVER.decode(agent)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "id", "name", "arguments", "result", "role"]
            ),
            inner | st.sampled_from(["text", "image", "user_input", "thought", "function_call"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(values, values, values)
def test_any_body_is_decoded_or_refused(one: Any, two: Any, three: Any) -> None:
    body = {"model": "m", "input": one, "tools": two, "generation_config": three}
    hint = SERVER.traits.conversation_hint
    assert hint is not None
    with suppress(InvalidRequestError):
        hint(call(body))
        decode(body)
