"""Encoding a request loses nothing unsaid, and keeps the API's rules whatever is asked."""

from __future__ import annotations

import json
import re
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import TypeAdapter

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    CacheControl,
    Citation,
    Media,
    Opaque,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from tests.protocols.anthropic.builders import COUNT, SERVER, call, json_objects

CLIENT = ANTHROPIC_CLIENT
PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
CLAUDE = Signature("sig", "claude")
ADAPTIVE = Capabilities(family="claude", thinking="adaptive", web_search=True)
BUDGET = Capabilities(family="claude", thinking="budget", max_budget=32_000, web_search=True)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**SCHEMA, "additionalProperties": False}
CLOSED = {**SCHEMA, "additionalProperties": False}
GET = FunctionTool("get", "Get it.", SCHEMA)


# What is decoded from our own words is what was meant.

words = st.text(min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
caches = st.none() | st.builds(CacheControl, st.none() | st.just("1h"))
texts = st.builds(Text, words, cache=caches)
argument_texts = json_objects.map(lambda value: json.dumps(value))
pictures = st.builds(
    Media,
    st.just("image"),
    st.sampled_from([InlineData("AA==")]),
    st.just("image/png"),
    cache=caches,
) | st.builds(
    Media,
    st.sampled_from(["image", "document"]),
    st.sampled_from([UrlSource("http://x"), FileReference("f", "anthropic")]),
)
documents = st.builds(
    Media,
    st.just("document"),
    st.just(InlineData("AA==")),
    st.just("application/pdf"),
    title=st.none() | words,
    context=st.none() | words,
    cache=caches,
)


@st.composite
def conversations(draw: Any) -> tuple[Message, ...]:
    messages: list[Message] = []
    pending: list[ToolCall] = []
    for number in range(draw(st.integers(0, 3))):
        parts: list[Any] = [
            ToolResult(
                one.id,
                tuple(draw(st.lists(texts | pictures | documents, max_size=2))),
                name=one.name,
                cache=draw(caches),
            )
            for one in pending
        ]
        parts += draw(st.lists(texts | pictures | documents, min_size=1, max_size=2))
        messages.append(Message("user", tuple(parts)))
        answer: list[Any] = draw(
            st.sampled_from([[], [Thinking("hm", CLAUDE)], [Thinking("", CLAUDE)]])
        )
        answer = answer + draw(st.lists(texts, min_size=1, max_size=2))
        if draw(st.booleans()):
            answer.append(
                WebSearch(f"srvtoolu_{number}", ("q",), (SearchResult("u", "t", "enc", "1 day"),))
            )
        pending = [
            ToolCall(f"toolu_{number}_{place}", "get", draw(argument_texts), cache=draw(caches))
            for place in range(draw(st.integers(0, 2)))
        ]
        messages.append(Message("assistant", (*answer, *pending)))
    last = [ToolResult(one.id, (Text("ok"),), name="get") for one in pending]
    return (*messages, Message("user", (*last, draw(texts))))


requests = st.builds(
    Request,
    st.just("up"),
    conversations(),
    st.just("anthropic"),
    system=st.lists(texts, max_size=2).map(tuple),
    stream=st.just(True),
    tools=st.sampled_from(
        [
            (GET,),
            (GET, replace(GET, name="put", strict=True, parameters=CLOSED, cache=CacheControl())),
            (GET, WebSearchTool(max_uses=1, user_location={"type": "approximate"})),
            (GET, HostedTool("bash_1", "anthropic", {"type": "bash_1", "name": "bash"})),
        ]
    ),
    tool_choice=st.sampled_from(
        [
            None,
            ToolChoice(),
            ToolChoice("none"),
            ToolChoice("required"),
            ToolChoice("required", ("get",)),
        ]
    ),
    sampling=st.builds(
        Sampling, st.none() | st.just(0.5), st.none() | st.just(0.9), st.none() | st.just(4)
    ),
    stop=st.sampled_from([(), ("END",)]),
    max_output_tokens=st.integers(1, 100_000),
    thinking=st.sampled_from(
        [
            ThinkingConfig(),
            ThinkingConfig("off"),
            ThinkingConfig("adaptive", effort="max", include=False),
            ThinkingConfig(effort="low"),
        ]
    ),
    response_format=st.sampled_from([ResponseFormat(), ResponseFormat("schema", schema=CLOSED)]),
    user=st.just("u"),
    metadata=st.just({"user_id": "u"}),
    extensions=st.sampled_from([{}, {"service_tier": "auto", "new": [1]}]),
)


@settings(max_examples=300, deadline=None)
@given(requests)
def test_decoding_undoes_encoding(asked: Request) -> None:
    encoded = CLIENT.encode(asked, Target("up", ADAPTIVE))
    again = SERVER.decode(call(encoded.body))
    lost = {loss.field for loss in encoded.warnings}
    expected = asked
    if "thinking" in lost:
        expected = replace(expected, thinking=replace(asked.thinking, mode="off", include=None))
    fields = {field.removeprefix("sampling.") for field in lost if field.startswith("sampling.")}
    expected = replace(expected, sampling=replace(asked.sampling, **dict.fromkeys(fields, None)))
    assert lost <= {"thinking", "sampling.temperature", "sampling.top_p", "sampling.top_k"}
    assert again == expected
    counted = CLIENT.encode_count(asked, Target("up", ADAPTIVE))
    assert counted is not None
    assert SERVER.decode(call(counted.body, COUNT)).messages == asked.messages


# Whatever is asked, the API's own rules hold.

any_signature = st.none() | st.builds(
    Signature, st.sampled_from(["", "sig"]), st.sampled_from(["claude", "gemini"])
)
loose_text = st.sampled_from(["", " ", "\n", "hi", "so "])
any_part = st.one_of(
    st.builds(Text, loose_text, st.just(()) | st.just((Citation("u"),)), any_signature, caches),
    st.builds(
        Media,
        st.sampled_from(["image", "document", "audio", "video"]),
        st.sampled_from(
            [InlineData("AA=="), InlineData("!"), UrlSource("u"), FileReference("f", "google")]
        ),
        st.sampled_from(["", "image/png", "text/plain", "application/x"]),
    ),
    st.builds(Thinking, loose_text, any_signature, st.none() | st.just("blob")),
    st.builds(
        ToolCall,
        st.sampled_from(["", "a", "a:b", "a.b", "ü"]),
        st.just("get"),
        st.sampled_from(["", "{}", "{", "[]", "x\ud800"]),
        st.sampled_from(["function", "custom"]),
    ),
    st.builds(
        ToolResult,
        st.sampled_from(["", "a", "a:b", "a.b", "ü"]),
        st.lists(texts | pictures | documents | st.builds(Text, loose_text), max_size=2).map(tuple),
        st.booleans(),
    ),
    st.builds(
        WebSearch,
        st.sampled_from(["", "x-y", "srvtoolu_1"]),
        st.just(("q", "r")),
        st.sampled_from([(), (SearchResult("u"),), (SearchResult("u", "t", "e"),)]),
        st.none() | st.just("odd"),
    ),
    st.just(Opaque("gemini", "k", {})),
)
any_request = st.builds(
    Request,
    st.just("m"),
    st.lists(
        st.builds(
            Message,
            st.sampled_from(["system", "user", "assistant"]),
            st.lists(any_part, max_size=4).map(tuple),
        ),
        max_size=6,
    ).map(tuple),
    st.sampled_from(["openai_chat", "gemini", "anthropic"]),
    stream=st.just(True),
    system=st.lists(st.builds(Text, loose_text), max_size=2).map(tuple),
    tools=st.sampled_from([(), (GET,), (WebSearchTool(),), (CustomTool("x"),)]),
    tool_choice=st.sampled_from([None, ToolChoice("required", ("get", "put")), ToolChoice("none")]),
    parallel_tool_calls=st.none() | st.booleans(),
    sampling=st.builds(Sampling, st.sampled_from([None, 0.0, 1.0, 2.0]), st.none() | st.just(0.5)),
    stop=st.sampled_from([(), (" ",), ("x", "\n")]),
    max_output_tokens=st.none() | st.integers(1, 50_000),
    thinking=st.builds(
        ThinkingConfig,
        st.sampled_from(["default", "off", "on", "adaptive"]),
        st.none() | st.integers(0, 60_000),
        st.sampled_from([None, "none", "minimal", "low", "xhigh", "max"]),
        st.none() | st.booleans(),
    ),
    response_format=st.sampled_from([ResponseFormat(), ResponseFormat("json")]),
)


def check_rules(body: Any) -> None:
    """The rules of the API, said once more without the code under test."""
    PARAMS.validate_python(body)
    turns = body["messages"]
    assert [turn["role"] for turn in turns] == (["user", "assistant"] * len(turns))[: len(turns)]
    ids: set[str] = set()
    for turn in turns:
        assert turn["content"]
        kinds = [block["type"] for block in turn["content"]]
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result")
        assert not (turn["role"] == "user" and "tool_use" in kinds)
        assert not (turn["role"] == "assistant" and "tool_result" in kinds)
        if {"thinking", "redacted_thinking"} & set(kinds):
            assert kinds[0] in ("thinking", "redacted_thinking")
        for block in turn["content"]:
            if block["type"] == "text":
                assert block["text"].strip()
            if block["type"] == "tool_use":
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
                assert isinstance(block["input"], dict)
                ids.add(block["id"])
            if block["type"] == "tool_result":
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["tool_use_id"])
                assert block.get("content") or not block.get("is_error")
            if block["type"] == "server_tool_use":
                assert re.fullmatch(r"srvtoolu_[a-zA-Z0-9_]+", block["id"])
    thinking = body.get("thinking", {"type": "disabled"})
    if thinking["type"] == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
    if thinking["type"] in ("enabled", "adaptive"):
        assert body.get("temperature", 1) == 1
        assert body.get("tool_choice", {"type": "auto"})["type"] in ("auto", "none")
        assert turns[-1]["role"] == "user" or "server_tool_use" in str(turns[-1])
    if turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        final = turns[-1]["content"][-1]["text"]
        assert final == final.rstrip() or "server_tool_use" in str(turns[-1])
    assert ("tool_choice" in body) <= ("tools" in body)
    assert 0 <= body.get("temperature", 0) <= 1
    assert all(text.strip() for text in body.get("stop_sequences", []))


@settings(max_examples=500, deadline=None)
@given(
    any_request,
    st.sampled_from([ADAPTIVE, BUDGET, Capabilities(), replace(ADAPTIVE, prefill=False)]),
)
def test_any_request_keeps_the_rules(asked: Request, capabilities: Capabilities) -> None:
    check_rules(json.loads(CLIENT.encode(asked, Target("up", capabilities)).body))
