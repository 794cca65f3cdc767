"""Requests go up in the protocol's words, and what can't be said is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    Citation,
    Media,
    Opaque,
    Part,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import (
    Effort,
    Message,
    Request,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
)
from antigravity.ir.signature import Signature
from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.routing.capability_table import load_table
from tests.protocols.openai_responses.builders import CLIENT, SERVER, call, decode, recorded

EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
THINKER = Target("gpt", Capabilities(family="openai", thinking="level", efforts=EFFORTS))
PLAIN = Target("plain")
FOREIGN = Request("m", (Message("user", (Text("hi"),)),), "anthropic")


def encode(request: Request, target: Target = THINKER) -> tuple[dict[str, Any], list[str]]:
    encoded = CLIENT.encode(request, target)
    return json.loads(encoded.body), [loss.field for loss in encoded.warnings]


def items(*parts: Part, role: Any = "assistant") -> tuple[list[Any], list[str]]:
    body, losses = encode(replace(FOREIGN, messages=(Message(role, parts),)))
    return body["input"], losses


def test_a_plain_request() -> None:
    body, losses = encode(replace(FOREIGN, system=(Text("be"), Text("brief"))))
    assert body == {
        "model": "gpt",
        "instructions": "be\n\nbrief",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        ],
        "stream": False,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert losses == []
    assert "include" not in encode(FOREIGN, PLAIN)[0]


def test_later_system_turns_are_developer_messages() -> None:
    assert items(Text("now"), role="system")[0] == [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "now"}]}
    ]


def test_assistant_turn_keeps_order() -> None:
    wire, losses = items(
        Thinking("hm", Signature("gAAAA", "openai")),
        Thinking("", Signature("gBBBB", "openai")),
        Text("a "),
        Text("b", (Citation("u", "t", start=2, end=3),)),
        ToolCall("1", "f", '{"x":1}', namespace="mcp__x"),
        ToolCall("2", "p", "raw", kind="custom"),
        WebSearch("ws_1", ("q",), (SearchResult("u"),)),
        WebSearch("srvtoolu_1", ("q", "r")),
    )
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    assert wire == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gAAAA",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "gBBBB"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a "},
                {"type": "output_text", "text": "b", "annotations": [note]},
            ],
        },
        {
            "type": "function_call",
            "call_id": "1",
            "name": "f",
            "arguments": '{"x":1}',
            "namespace": "mcp__x",
        },
        {"type": "custom_tool_call", "call_id": "2", "name": "p", "input": "raw"},
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {
                "type": "search",
                "query": "q",
                "sources": [{"type": "url", "url": "u"}],
            },
        },
        {
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "q", "queries": ["q", "r"]},
        },
    ]
    assert losses == []


def test_foreign_thinking_is_dropped_with_loss() -> None:
    wire, losses = items(
        Thinking("hm", Signature("s", "claude")),
        Thinking("hm"),
        Text("x"),
        Opaque("gemini", "k", {}),
    )
    assert [item["type"] for item in wire] == ["message"]
    assert losses == ["messages.thinking", "messages.k"]


def test_tool_results_are_encoded() -> None:
    image = Media("image", InlineData("aGk="), "image/png", detail="high")
    wire, losses = items(
        ToolResult("1", (Text("one"),)),
        ToolResult("2", (Text("a"), image), kind="custom"),
        ToolResult("3", (), is_error=True),
        Text("go on"),
        role="user",
    )
    assert [item["type"] for item in wire] == [
        "function_call_output",
        "custom_tool_call_output",
        "function_call_output",
        "message",
    ]
    assert [item.get("output") for item in wire[:3]] == [
        "one",
        [
            {"type": "input_text", "text": "a"},
            {
                "type": "input_image",
                "image_url": "data:image/png;base64,aGk=",
                "detail": "high",
            },
        ],
        "",
    ]
    assert losses == ["messages.tool_result.is_error"]


def test_long_ids_are_shortened_alike() -> None:
    wire, _losses = items(ToolCall("x" * 99, "f"), ToolResult("x" * 99, (Text("1"),)))
    assert wire[0]["call_id"] == wire[1]["call_id"]
    assert len(wire[0]["call_id"]) <= 64


@pytest.mark.parametrize(
    ("media", "wire"),
    [
        (
            Media("image", UrlSource("https://a.example/")),
            {"type": "input_image", "image_url": "https://a.example/", "detail": "auto"},
        ),
        (
            Media("image", FileReference("file_1", "openai"), detail="low"),
            {"type": "input_image", "file_id": "file_1", "detail": "low"},
        ),
        (
            Media("document", InlineData("JVBE"), "application/pdf"),
            {
                "type": "input_file",
                "filename": "document.pdf",
                "file_data": "data:application/pdf;base64,JVBE",
            },
        ),
        (
            Media("document", UrlSource("https://a.example/"), title="a"),
            {"type": "input_file", "file_url": "https://a.example/"},
        ),
        (
            Media("audio", InlineData("aGk="), "audio/mpeg"),
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        ),
    ],
)
def test_media_are_encoded(media: Media, wire: dict[str, Any]) -> None:
    assert items(media, role="user")[0][0]["content"] == [wire]


@pytest.mark.parametrize(
    "media",
    [
        Media("video", InlineData("aGk="), "video/mp4"),
        Media("audio", InlineData("aGk="), "audio/flac"),
        Media("document", FileReference("f", "google")),
    ],
)
def test_ambiguous_media_is_rejected(media: Media) -> None:
    with pytest.raises(InvalidRequestError):
        items(media, role="user")


def test_tools_and_their_choice() -> None:
    tools = (
        FunctionTool("f", "d", {"type": "object"}),
        FunctionTool("g", namespace="n"),
        WebSearchTool(allowed_domains=("a.example",), max_uses=3, user_location={"country": "DE"}),
        CustomTool("p", format={"type": "text"}, namespace="n"),
        HostedTool("code_execution", "anthropic"),
        HostedTool("url_context", "gemini"),
    )
    body, losses = encode(replace(FOREIGN, tools=tools, tool_choice=ToolChoice("auto", ("f", "p"))))
    assert body["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object"},
            "strict": False,
        },
        {
            "type": "namespace",
            "name": "n",
            "description": "",
            "tools": [
                {
                    "type": "function",
                    "name": "g",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                },
                {"type": "custom", "name": "p", "format": {"type": "text"}},
            ],
        },
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "country": "DE"},
        },
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    assert body["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}],
    }
    assert losses == ["tools.web_search.max_uses", "tools.url_context"]
    assert "web_search_call.action.sources" in body["include"]


@pytest.mark.parametrize(
    ("thinking", "efforts", "reasoning", "losses"),
    [
        (ThinkingConfig(), EFFORTS, None, []),
        (ThinkingConfig("off"), EFFORTS, {"effort": "none"}, []),
        (ThinkingConfig("off"), ("low", "high"), {"effort": "low"}, ["thinking.effort"]),
        (ThinkingConfig("on", budget=1999), EFFORTS, {"effort": "low"}, []),
        (ThinkingConfig("on", budget=2000), EFFORTS, {"effort": "medium"}, []),
        (ThinkingConfig("on", budget=6999), EFFORTS, {"effort": "medium"}, []),
        (ThinkingConfig("on", budget=7000), EFFORTS, {"effort": "high"}, []),
        (
            ThinkingConfig("on", effort="max"),
            ("low", "high"),
            {"effort": "high"},
            ["thinking.effort"],
        ),
        (ThinkingConfig("adaptive", effort="medium"), (), {"effort": "medium"}, []),
        (ThinkingConfig("adaptive"), EFFORTS, None, []),
        (ThinkingConfig("on", include=True), EFFORTS, {"summary": "auto"}, []),
        (ThinkingConfig(summary="detailed"), EFFORTS, {"summary": "detailed"}, []),
    ],
)
def test_thinking_is_encoded(
    thinking: ThinkingConfig, efforts: Any, reasoning: Any, losses: list[str]
) -> None:
    target = Target("gpt", Capabilities(thinking="level", efforts=efforts))
    body, found = encode(replace(FOREIGN, thinking=thinking, protocol="openai_chat"), target)
    assert body.get("reasoning") == reasoning
    assert found == losses


@pytest.mark.parametrize(
    ("thinking", "summary"),
    [
        (ThinkingConfig("on", budget=2000), "auto"),
        (ThinkingConfig("adaptive"), "auto"),
        (ThinkingConfig("on", budget=2000, include=False), None),
        (ThinkingConfig("off"), None),
        (ThinkingConfig(), None),
    ],
)
def test_thinking_is_summarised_for_clients_that_are_used_to_see_it(
    thinking: ThinkingConfig, summary: str | None
) -> None:
    body, _losses = encode(replace(FOREIGN, thinking=thinking, protocol="anthropic"), THINKER)
    assert body.get("reasoning", {}).get("summary") == summary


def test_thinking_is_not_requested_of_model_without_it() -> None:
    body, losses = encode(replace(FOREIGN, thinking=ThinkingConfig("on", budget=9)), PLAIN)
    assert "reasoning" not in body
    assert losses == ["thinking"]


def test_unsupported_fields_are_losses() -> None:
    sampling = Sampling(
        temperature=0.5, top_p=0.5, top_k=3, seed=1, n=2, logprobs=True, top_logprobs=2
    )
    request = replace(FOREIGN, sampling=sampling, stop=("END",), modalities=("text", "image"))
    body, losses = encode(request)
    assert (body["temperature"], body["top_p"], body["top_logprobs"]) == (0.5, 0.5, 2)
    assert "message.output_text.logprobs" in body["include"]
    assert losses == ["sampling.top_k", "sampling.seed", "sampling.n", "stop", "modalities"]
    mute = Target("m", Capabilities(sampling=False, logprobs=False))
    body, losses = encode(request, mute)
    assert not body.keys() & {"temperature", "top_p", "top_logprobs", "include"}
    assert losses[:2] == ["sampling.temperature", "sampling.top_p"]


def test_response_format_and_verbosity() -> None:
    form = ResponseFormat("schema", "P", None, {"type": "object"}, strict=True)
    body, _losses = encode(replace(FOREIGN, response_format=form, verbosity="low"))
    assert body["text"] == {
        "verbosity": "low",
        "format": {
            "type": "json_schema",
            "name": "P",
            "schema": {"type": "object"},
            "strict": True,
        },
    }
    body, _losses = encode(replace(FOREIGN, response_format=ResponseFormat("json")))
    assert body["text"] == {"format": {"type": "json_object"}}


def test_metadata_is_sent_for_openai_clients_only() -> None:
    request = replace(FOREIGN, metadata={"user_id": "x"}, service_tier="auto", user="u" * 99)
    body, _losses = encode(request)
    assert not body.keys() & {"metadata", "service_tier"}
    assert len(body["user"]) == 64
    body, _losses = encode(replace(request, protocol="openai_chat"))
    assert (body["metadata"], body["service_tier"]) == ({"user_id": "x"}, "auto")


def test_extensions_return_to_their_protocol() -> None:
    body, losses = encode(
        decode(
            {
                "truncation": "auto",
                "store": True,
                "previous_response_id": "r",
                "background": True,
                "include": ["file_search_call.results"],
                "safety_identifier": "who",
                "reasoning": {"context": "auto", "effort": "low"},
                "tools": [
                    {
                        "type": "namespace",
                        "name": "n",
                        "description": "about n",
                        "tools": [{"type": "function", "name": "f"}],
                    },
                    {"type": "web_search", "search_context_size": "low"},
                ],
            }
        )
    )
    assert body["truncation"] == "auto"
    assert body["store"] is False
    assert not body.keys() & {"previous_response_id", "background", "openai_responses", "user"}
    assert body["safety_identifier"] == "who"
    assert body["reasoning"] == {"context": "auto", "effort": "low"}
    assert "file_search_call.results" in body["include"]
    assert body["tools"][0]["description"] == "about n"
    assert "strict" not in body["tools"][0]["tools"][0]
    assert body["tools"][1] == {"type": "web_search", "search_context_size": "low"}
    assert losses == ["background", "previous_response_id"]
    foreign = replace(FOREIGN, extensions={"truncation": "auto", "include": ["x"]})
    assert encode(foreign)[0].keys() & {"truncation"} == set()


def test_client_cannot_set_internal_extensions() -> None:
    request = decode({"openai_responses": "x", "tools": [{"type": "web_search"}]})
    assert request.extensions == {}
    assert encode(request)[0]["tools"] == [{"type": "web_search"}]


def comparable(request: Request) -> Request:
    """Return a request without what the encoder replaces on purpose."""
    gone = ("store", "include", "stream_options")
    return replace(
        request,
        model="",
        stream=True,
        system=(Text("\n\n".join(text.text for text in request.system)),),
        extensions={name: value for name, value in request.extensions.items() if name not in gone},
    )


@pytest.mark.parametrize("body", recorded(), ids=str)
def test_recorded_requests_survive_the_round_trip(body: dict[str, Any]) -> None:
    request = decode({**body, "previous_response_id": None})
    encoded = CLIENT.encode(request, THINKER)
    assert encoded.warnings == ()
    assert comparable(SERVER.decode(call(encoded.body))) == comparable(request)


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
openai_signatures = st.builds(Signature, st.text("abcdef", min_size=1), st.just("openai"))
inline_images = st.builds(
    Media,
    st.just("image"),
    st.just(InlineData("aGk=")),
    st.just("image/png"),
    detail=st.sampled_from(["auto", "low", "high"]),
)
user_parts: st.SearchStrategy[Any] = st.builds(Text, words) | inline_images
assistant_parts: st.SearchStrategy[Any] = st.one_of(
    st.builds(Text, words),
    st.builds(Thinking, words, openai_signatures),
    st.builds(Thinking, st.just(""), openai_signatures),
    st.builds(
        ToolCall,
        st.text("abc", min_size=1),
        words,
        words,
        kind=st.sampled_from(["function", "custom"]),
        namespace=st.none() | words,
    ),
    st.builds(WebSearch, st.just("ws_1"), st.lists(words, min_size=1, max_size=2).map(tuple)),
    st.just(Media("image", InlineData("aGk="), "image/png")),
)
results = st.builds(
    ToolResult,
    st.text("abc", min_size=1),
    st.lists(user_parts, min_size=1, max_size=2).map(tuple),
    kind=st.sampled_from(["function", "custom"]),
)


def led_somewhere(parts: list[Any]) -> tuple[Any, ...]:
    """Return a turn's parts with something behind the last thinking, as the API wants it."""
    return (*parts, Text("so")) if isinstance(parts[-1], Thinking) else tuple(parts)


turns = st.one_of(
    st.builds(Message, st.just("user"), st.lists(user_parts, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Message,
        st.just("assistant"),
        st.lists(assistant_parts, min_size=1, max_size=4).map(led_somewhere),
    ),
    st.builds(Message, st.just("user"), st.lists(results, min_size=1, max_size=3).map(tuple)),
)
tools: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        FunctionTool,
        words,
        words,
        st.just({"type": "object", "properties": {"type": {"type": "string"}}}),
        st.none() | st.booleans(),
    ),
    st.builds(CustomTool, words, words, st.none() | st.just({"type": "text"})),
    st.builds(WebSearchTool, allowed_domains=st.just(("a.example",))),
)
requests = st.builds(
    Request,
    model=st.just("gpt"),
    messages=st.lists(turns, min_size=1, max_size=5).map(tuple),
    protocol=st.just("openai_responses"),
    system=st.just(()) | words.map(lambda text: (Text(text),)),
    stream=st.just(True),
    tools=st.lists(tools, max_size=3).map(tuple),
    parallel_tool_calls=st.none() | st.booleans(),
    sampling=st.builds(Sampling, temperature=st.none() | st.floats(0, 2)),
    max_output_tokens=st.none() | st.integers(16, 24),
    thinking=st.sampled_from([ThinkingConfig(), ThinkingConfig("on", effort="low")]),
    verbosity=st.none() | st.sampled_from(["low", "high"]),
)


def merged(request: Request) -> Request:
    """Return a request whose adjacent turns are joined where the wire knows no border."""
    messages: list[Message] = []
    for message in request.messages:
        kind = message.role if message.role == "assistant" else type(message.parts[0])
        last = messages[-1] if messages else None
        if last is not None and kind in ("assistant", ToolResult):
            before = last.role if last.role == "assistant" else type(last.parts[0])
            if before == kind:
                messages[-1] = replace(last, parts=last.parts + message.parts)
                continue
        messages.append(message)
    return replace(request, messages=tuple(messages))


@given(requests)
def test_decoding_undoes_encoding(request: Request) -> None:
    encoded = CLIENT.encode(request, THINKER)
    assert encoded.warnings == ()
    returned = SERVER.decode(call(encoded.body))
    added = {"store": False, "include": returned.extensions["include"]}
    assert returned == replace(merged(request), extensions=added)


@pytest.mark.parametrize(
    ("model", "verbose", "encrypted"),
    [("gpt-5.1", True, True), ("gpt-4o", False, False), ("o3", False, True), ("other", True, True)],
)
def test_verbosity_and_encrypted_reasoning_are_sent_to_supporting_models_only(
    model: str, verbose: bool, encrypted: bool
) -> None:
    include = ["reasoning.encrypted_content"]
    asked = Request(
        model,
        (Message("user", (Text("hi"),)),),
        "openai_responses",
        verbosity="low",
        extensions={"include": include},
    )
    encoded = CLIENT.encode(asked, Target(model, load_table([]).capabilities(model)))
    sent = json.loads(encoded.body)
    assert ("text" in sent) is verbose
    assert (sent.get("include") == include) is encrypted
    assert ("verbosity" in {loss.field for loss in encoded.warnings}) is not verbose


def test_phases_of_messages_come_back() -> None:
    given_items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        *(
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
                **({"phase": phase} if phase else {}),
            }
            for text, phase in (("a", "commentary"), ("b", "final_answer"), ("c", None))
        ),
    ]
    body, _ = encode(decode({"model": "m", "input": given_items}))
    phases = [item.get("phase") for item in body["input"]]
    assert phases == [None, "commentary", "final_answer", None]


def test_own_fields_of_tools_come_back() -> None:
    own = {
        "defer_loading": True,
        "output_schema": {"type": "object"},
        "allowed_callers": ["direct"],
    }
    schema = {"type": "object", "properties": {}}
    function = {"type": "function", "name": "f", "parameters": schema, **own}
    custom = {"type": "custom", "name": "c", "defer_loading": True}
    plain = {"type": "function", "name": "g", "parameters": schema}
    space = {"type": "namespace", "name": "ns", "description": "d", "tools": [function, plain]}
    tools = [function, custom, plain, space]
    body, losses = encode(decode({"model": "m", "input": "hi", "tools": tools}))
    assert body["tools"] == tools
    assert losses == []
