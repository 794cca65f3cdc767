"""What an upstream that speaks Interactions is sent, and what is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Media, Opaque, Text, Thinking, ToolCall, ToolResult, WebSearch
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from tests.protocols.gemini_interactions.builders import CLIENT, decode

USER = Message("user", (Text("hi"),))
GEMINI = Capabilities(
    family="gemini",
    thinking="level",
    efforts=("low", "high"),
    max_output_tokens=100,
    requires_signatures=True,
    signature_sentinel="sentinel",
    media_in_tool_results=True,
    media_resolution=True,
    web_search_with_tools=True,
    hosted_tools_with_functions=True,
)
SIGNED = Signature("c2lnbmVk", "gemini")


def encode(
    *messages: Message, capabilities: Capabilities = GEMINI, **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    """Return the body, and the fields of the losses."""
    fields = {"protocol": "openai_chat", **fields}
    request = Request("m", messages or (USER,), **fields)
    encoded = CLIENT.encode(request, Target("up", capabilities))
    return json.loads(encoded.body), [loss.field for loss in encoded.warnings]


def steps(*messages: Message, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(*messages, **fields)[0]["input"]
    return found


def assistant(*parts: Any) -> Message:
    return Message("assistant", parts)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_plain_request_is_not_stored() -> None:
    body, losses = encode(system=(Text("Be kind."),), stream=True)
    assert body == {
        "model": "up",
        "stream": True,
        "store": False,
        "generation_config": {"thinking_summaries": "auto"},
        "system_instruction": "Be kind.",
        "input": [{"type": "user_input", "content": [text("hi")]}],
    }
    assert losses == []


def test_turns_become_steps_in_their_order() -> None:
    call = ToolCall("c1", "look", '{"a":1.50}')
    result = ToolResult("c1", (Text("sunny"),), is_error=True)
    found = steps(
        USER,
        assistant(Thinking("Hm", SIGNED), Text("Let me see."), call),
        Message("user", (Text("go on"), result)),
    )
    assert found[1:] == [
        {"type": "thought", "signature": "c2lnbmVk", "summary": [text("Hm")]},
        {"type": "model_output", "content": [text("Let me see.")]},
        {"type": "function_call", "id": "c1", "name": "look", "arguments": {"a": 1.5}},
        {
            "type": "function_result",
            "call_id": "c1",
            "name": "look",
            "result": "sunny",
            "is_error": True,
        },
        {"type": "user_input", "content": [text("go on")]},
    ]


def test_signature_of_call_is_in_thought_before_it() -> None:
    call = ToolCall("c1", "look", signature=SIGNED)
    found = steps(USER, assistant(Thinking("Hm", SIGNED), call))
    assert [step["type"] for step in found] == ["user_input", "thought", "function_call"]
    assert "signature" not in found[-1]
    assert [step["type"] for step in steps(USER, assistant(call))][1:] == [
        "thought",
        "function_call",
    ]


def test_lost_signature_is_replaced_by_sentinel() -> None:
    calls = (ToolCall("c1", "look"), ToolCall("c2", "look"))
    foreign = Thinking("Hm", Signature("x", "claude"))
    body, losses = encode(USER, assistant(foreign, *calls))
    kinds = [(step["type"], step.get("signature")) for step in body["input"]][1:]
    assert kinds == [("thought", "sentinel"), ("function_call", None), ("function_call", None)]
    assert losses == ["messages"] * 2


def test_results_are_objects_texts_or_contents() -> None:
    image = Media("image", InlineData("iVBORw0KGgo="), detail="high")
    calls = assistant(*(ToolCall(f"c{n}", "f") for n in range(3)))
    results = (
        ToolResult("c0", (Text('{"sky": "blue"}'),)),
        ToolResult("c1", (Text("plain"),)),
        ToolResult("c2", (Text("see"), image)),
    )
    found = [s["result"] for s in steps(USER, calls, Message("user", results)) if "result" in s]
    shown = {
        "type": "image",
        "data": "iVBORw0KGgo=",
        "mime_type": "image/png",
        "resolution": "high",
    }
    assert found == [{"sky": "blue"}, "plain", [text("see"), shown]]
    plain = Capabilities(family="gemini")
    body, losses = encode(USER, calls, Message("user", results), capabilities=plain)
    assert body["input"][-1]["content"][1]["type"] == "image"
    assert "messages" in losses


def test_media_are_data_or_files_of_google() -> None:
    parts = (
        Media("audio", InlineData("AAAA"), "audio/mpeg"),
        Media("document", FileReference("https://x.googleapis.com/files/a", "google")),
        Media("video", UrlSource("https://youtu.be/x"), "video/mp4"),
    )
    found = steps(Message("user", parts))[0]["content"]
    assert found == [
        {"type": "audio", "data": "AAAA", "mime_type": "audio/mp3"},
        {"type": "document", "uri": "https://x.googleapis.com/files/a"},
        {"type": "video", "uri": "https://youtu.be/x", "mime_type": "video/mp4"},
    ]
    with pytest.raises(InvalidRequestError):
        encode(Message("user", (Media("image", FileReference("file-1", "openai")),)))


def test_tools_and_choices() -> None:
    tools = (
        FunctionTool("b", "B.", {"type": "object"}),
        CustomTool("a", "A."),
        WebSearchTool(allowed_domains=("x.org",)),
        HostedTool("code_execution", "anthropic", {"type": "code_execution_1"}),
        HostedTool("file_search", "gemini", {"fileSearch": {"topK": 3}}),
        HostedTool("computer", "openai_responses", {"type": "computer"}),
    )
    body, losses = encode(tools=tools, tool_choice=ToolChoice("required", ("b",)))
    assert [tool["type"] for tool in body["tools"]] == [
        "function",
        "function",
        "google_search",
        "code_execution",
        "file_search",
    ]
    assert body["tools"][0]["parameters"]["required"] == ["input"]
    assert body["tools"][-1] == {"type": "file_search", "top_k": 3}
    choice = {"allowed_tools": {"mode": "any", "tools": ["b"]}}
    assert body["generation_config"]["tool_choice"] == choice
    assert losses == ["tools", "tools"]
    for mode, name in (("auto", "auto"), ("none", "none"), ("required", "any")):
        body, _ = encode(tools=tools[:1], tool_choice=ToolChoice(mode))  # type: ignore[arg-type]
        assert body["generation_config"]["tool_choice"] == name
    body, losses = encode(tool_choice=ToolChoice("required"))
    assert ("tool_choice" in body["generation_config"], losses) == (False, ["tool_choice"])


def test_tools_of_provider_are_dropped_beside_functions_of_old_models() -> None:
    tools = (
        FunctionTool("b"),
        WebSearchTool(),
        HostedTool("url_context", "gemini", {"urlContext": {}}),
    )
    body, losses = encode(tools=tools, capabilities=Capabilities(family="gemini"))
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert losses == ["tools", "tools"]


@pytest.mark.parametrize(
    ("thinking", "level"),
    [
        (ThinkingConfig(), None),
        (ThinkingConfig("off"), "low"),
        (ThinkingConfig("on", effort="max"), "high"),
        (ThinkingConfig("on", effort="medium"), "high"),
        (ThinkingConfig("on", budget=1000), "low"),
        (ThinkingConfig("adaptive"), None),
    ],
)
def test_thinking_is_a_level(thinking: ThinkingConfig, level: str | None) -> None:
    body, _ = encode(thinking=thinking)
    assert body.get("generation_config", {}).get("thinking_level") == level


def test_settings_within_limits_of_model() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, seed=1, top_k=3, presence_penalty=1.0)
    body, losses = encode(sampling=sampling, max_output_tokens=1000, stop=("a",))
    config = body["generation_config"]
    assert (config["temperature"], config["top_p"], config["seed"]) == (0.5, 0.9, 1)
    assert (config["max_output_tokens"], config["stop_sequences"]) == (100, ["a"])
    assert losses == ["sampling.top_k", "sampling.presence_penalty", "max_output_tokens"]
    fixed = Capabilities(family="gemini", sampling=False)
    body, losses = encode(sampling=sampling, capabilities=fixed)
    assert "temperature" not in body.get("generation_config", {})
    assert "sampling" in losses


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "text", "mime_type": "application/json"}
    for given, expected in (
        (ResponseFormat("json"), form),
        (ResponseFormat("schema", schema=schema), {**form, "schema": schema}),
    ):
        assert encode(response_format=given)[0]["response_format"] == expected
    body, _ = encode(modalities=("text", "image"), image_config={"aspectRatio": "1:1"})
    assert body["response_format"] == [{"type": "text"}, {"type": "image"}]
    assert body["generation_config"]["image_config"] == {"aspect_ratio": "1:1"}
    assert encode(modalities=("audio",))[0]["response_format"] == {"type": "audio"}


def test_voices() -> None:
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}, "languageCode": "de"}
    body, _ = encode(audio_config=voice)
    assert body["generation_config"]["speech_config"] == [{"voice": "Kore", "language": "de"}]
    pair = {
        "speaker": "Ann",
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}},
    }
    several = {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": [pair]}}
    body, _ = encode(audio_config=several)
    assert body["generation_config"]["speech_config"] == [{"speaker": "Ann", "voice": "Puck"}]


def test_agent_has_no_generation_settings() -> None:
    agent = Capabilities(
        family="gemini",
        agent="background",
        agent_config="deep-research",
        thinking="level",
        environment="remote",
    )
    body, losses = encode(capabilities=agent, max_output_tokens=5, stream=False)
    assert body == {
        "agent": "up",
        "stream": True,
        "background": True,
        "store": True,
        "environment": "remote",
        "agent_config": {"type": "deep-research", "thinking_summaries": "auto"},
        "input": [{"type": "user_input", "content": [text("hi")]}],
    }
    assert losses == ["max_output_tokens"]


def test_request_of_protocol_itself_keeps_its_fields() -> None:
    code = {
        "type": "code_execution_call",
        "id": "x1",
        "arguments": {"code": "1", "language": "python"},
    }
    ran = {"type": "code_execution_result", "call_id": "x1", "result": "1"}
    given = {
        "input": [
            {"type": "user_input", "content": [text("hi")]},
            {"type": "thought", "signature": "c2ln", "summary": [text("Hm")]},
            code,
            ran,
            {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["q"]}},
            {
                "type": "google_search_result",
                "call_id": "s1",
                "result": [{"url": "https://x.org", "title": "X"}],
            },
            {"type": "model_output", "content": [text("ok")]},
            {"type": "user_input", "content": [text("more")]},
        ],
        "tools": [
            {"type": "google_search", "search_types": ["web_search"]},
            {"type": "computer_use", "environment": "browser"},
        ],
        "generation_config": {"thinking_level": "high", "video_config": {"a": 1}},
        "safety_settings": [{"type": "harassment", "threshold": "off"}],
        "labels": {"a": "b"},
        "service_tier": "flex",
        "system_instruction": "Be kind.",
    }
    encoded = CLIENT.encode(decode(given), Target("up", GEMINI))
    body = json.loads(encoded.body)
    assert {name: body[name] for name in given} == given
    assert encoded.warnings == ()


def test_parts_of_other_protocols_are_named() -> None:
    parts = (
        Opaque("anthropic", "container", {}),
        WebSearch("s1", ("q",)),
        Thinking(redacted="x"),
        Text("ok"),
    )
    body, losses = encode(USER, assistant(*parts), USER)
    assert [step["type"] for step in body["input"]] == ["user_input", "model_output", "user_input"]
    assert losses == ["messages"] * 3


def test_conversation_that_begins_with_model_gets_user_turn() -> None:
    body, losses = encode(assistant(Text("Hello!")), USER)
    assert [step["type"] for step in body["input"]] == ["user_input", "model_output", "user_input"]
    assert losses == ["messages"]


def test_prefill_is_dropped_for_models_without() -> None:
    newest = Capabilities(family="gemini", prefill=False)
    body, losses = encode(USER, assistant(Text("It is")), capabilities=newest)
    assert [step["type"] for step in body["input"]] == ["user_input"]
    assert losses == ["messages"]


def test_empty_request_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        encode(Message("assistant", (Text(" "),)))
    body, losses = encode(Message("user", (Text(""),)), system=(Text("Go."),))
    assert len(body["input"]) == 1
    assert losses == ["messages"]
