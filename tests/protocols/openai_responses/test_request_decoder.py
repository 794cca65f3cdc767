"""Requests of real clients, and of every form that the protocol has, are understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import (
    IClientProtocol,
    IServerProtocol,
)
from antigravity.ir.call import Head, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import (
    GatewayError,
    InvalidRequestError,
    QuotaExhaustedError,
    RateLimitedError,
)
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
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
from antigravity.ir.request import Message, ResponseFormat, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    ToolChoice,
    WebSearchTool,
)
from tests.protocols.openai_responses.builders import CLIENT, SERVER, call, decode, recorded

RECORDED = recorded()


def parts(*items: Any) -> list[Any]:
    """Return all parts of the messages that input items become."""
    return [part for message in decode({"input": list(items)}).messages for part in message.parts]


def content(*wire: Any, role: str = "user") -> list[Any]:
    return parts({"role": role, "content": list(wire)})


def test_both_sides_keep_their_contracts() -> None:
    assert verifyObject(IServerProtocol, SERVER)
    assert verifyObject(IClientProtocol, CLIENT)
    assert SERVER.name == CLIENT.name == "openai_responses"


def test_recordings_of_all_clients_exist() -> None:
    assert len(RECORDED) == 28


@pytest.mark.parametrize("body", RECORDED, ids=str)
def test_recorded_requests_are_understood(body: dict[str, Any]) -> None:
    request = decode(body)
    assert request.model == body["model"]
    assert request.stream is bool(body.get("stream"))
    said = [part for message in request.messages for part in message.parts]
    items = [{"role": "user"}] if isinstance(body["input"], str) else body["input"]
    calls = [item for item in items if item.get("type") == "function_call"]
    results = [item for item in items if item.get("type") == "function_call_output"]
    thoughts = [item for item in items if item.get("type") == "reasoning"]
    assert [part.id for part in said if isinstance(part, ToolCall)] == [
        item["call_id"] for item in calls
    ]
    assert len([part for part in said if isinstance(part, ToolResult)]) == len(results)
    assert len([part for part in said if isinstance(part, Thinking)]) == len(thoughts)
    assert [message.role for message in request.messages if message.role != "assistant"].count(
        "user"
    ) == sum(item.get("role") == "user" for item in items) + bool(results)
    assert bool(request.system) is any(
        item.get("role") in ("system", "developer") for item in items
    )
    assert len(request.tools) == len(body.get("tools", ()))
    assert not any(isinstance(part, Opaque) for part in said)
    assert request.extensions.keys() <= {
        "client_metadata",
        "include",
        "previous_response_id",
        "store",
    }


def test_returned_codex_call_keeps_namespace() -> None:
    calls = [
        part
        for body in RECORDED
        for message in decode(body).messages
        for part in message.parts
        if isinstance(part, ToolCall) and part.namespace
    ]
    assert [(part.namespace, part.name) for part in calls] == [("mcp__gw", "add_numbers")]


def test_assistant_turn_is_one_message() -> None:
    request = decode(
        {
            "instructions": "first",
            "input": [
                {"role": "system", "content": "second"},
                {"role": "developer", "content": [{"type": "input_text", "text": "third"}]},
                {"role": "user", "content": "hi"},
                {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
                {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
                {"type": "custom_tool_call", "call_id": "b", "name": "p", "input": "x y"},
                {"type": "function_call_output", "call_id": "a", "output": "1"},
                {
                    "type": "custom_tool_call_output",
                    "call_id": "b",
                    "output": [
                        {"type": "input_text", "text": "2"},
                        {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
                    ],
                },
                {"role": "developer", "content": "later"},
                {"role": "user", "content": "go on"},
            ],
        }
    )
    assert request.system == (Text("first"), Text("second"), Text("third"))
    assert request.messages == (
        Message("user", (Text("hi"),)),
        Message(
            "assistant",
            (
                Thinking("", Signature("gAAAA", "openai")),
                Text("ok"),
                ToolCall("a", "f", "{}"),
                ToolCall("b", "p", "x y", kind="custom"),
            ),
        ),
        Message(
            "user",
            (
                ToolResult("a", (Text("1"),)),
                ToolResult(
                    "b",
                    (Text("2"), Media("image", InlineData("aGk="), "image/png")),
                    kind="custom",
                ),
            ),
        ),
        Message("system", (Text("later"),)),
        Message("user", (Text("go on"),)),
    )


def test_content_parts_are_decoded() -> None:
    assert content(
        {"type": "input_text", "text": "t"},
        {"type": "input_image", "image_url": "https://a.example/b.png", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "JVBE"},
        {"type": "input_file", "file_data": "data:text/plain;base64,aGk="},
        {"type": "input_file", "file_url": "https://a.example/b.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
    ) == [
        Text("t"),
        Media("image", UrlSource("https://a.example/b.png"), detail="low"),
        Media("image", FileReference("file_1", "openai")),
        Media("document", InlineData("JVBE"), "application/pdf", title="a.pdf"),
        Media("document", InlineData("aGk="), "text/plain"),
        Media("document", UrlSource("https://a.example/b.pdf")),
        Media("document", FileReference("file_2", "openai")),
        Media("audio", InlineData("aGk="), "audio/mpeg"),
    ]
    assert content({"type": "refusal", "refusal": "no"}, role="assistant") == [Text("no")]


def test_citations_count_from_the_beginning_of_the_turn() -> None:
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}
    said = content(
        {"type": "output_text", "text": "before ", "annotations": []},
        {"type": "output_text", "text": "it", "annotations": [note, {"type": "file_path"}]},
        role="assistant",
    )
    assert said[1] == Text("it", (Citation("u", "t", start=7, end=9),))


def test_reasoning_items_become_thinking() -> None:
    summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    raw = [{"type": "reasoning_text", "text": "r"}]
    assert parts({"type": "reasoning", "summary": summary, "encrypted_content": "E"}) == [
        Thinking("a\n\nb", Signature("E", "openai"))
    ]
    assert parts({"type": "reasoning", "summary": [], "content": raw}) == [Thinking("r")]
    assert parts({"type": "reasoning", "summary": [], "content": None}) == []
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "ag1.claude.redacted.X"}
    assert parts(sealed) == [Thinking(signature=Signature("", "claude"), redacted="X")]


def test_empty_signed_thinking_precedes_its_call() -> None:
    thought, tool_call = parts(
        {"type": "reasoning", "summary": [], "encrypted_content": "ag1.gemini.S"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    )
    assert thought == Thinking("", Signature("S", "gemini"))
    assert isinstance(tool_call, ToolCall)


def test_trailing_signature_returns_to_text() -> None:
    trailing = {"type": "reasoning", "summary": [], "encrypted_content": "ag1.gemini.trailing.S"}
    signed = Text("x", signature=Signature("S", "gemini"))
    assert parts({"role": "assistant", "content": "x"}, trailing) == [signed]
    assert parts(trailing) == [Text("", signature=Signature("S", "gemini"))]


def test_hosted_items_are_decoded() -> None:
    shell = {"type": "local_shell_call_output", "id": "x", "output": "y"}
    compaction = {"type": "compaction", "encrypted_content": "z"}
    request = decode(
        {
            "input": [
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
                {"type": "image_generation_call", "id": "ig_1", "result": "aGk="},
                compaction,
                shell,
                {"id": "msg_1"},
            ]
        }
    )
    assert request.messages == (
        Message(
            "assistant",
            (
                WebSearch("ws_1", ("q",), (SearchResult("u"),)),
                Media("image", InlineData("aGk="), "image/png"),
                Opaque("openai_responses", "compaction", compaction),
            ),
        ),
        Message(
            "user",
            (
                Opaque("openai_responses", "local_shell_call_output", shell),
                Opaque("openai_responses", "item_reference", {"id": "msg_1"}),
            ),
        ),
    )


def test_tools_are_decoded() -> None:
    schema = {"type": "object", "properties": {}}
    search = {"type": "tool_search", "execution": "client"}
    late = {"type": "additional_tools", "role": "developer", "tools": [{"type": "mcp"}]}
    request = decode(
        {
            "input": [late],
            "tools": [
                {
                    "type": "function",
                    "name": "f",
                    "description": "d",
                    "parameters": schema,
                    "strict": True,
                    "defer_loading": True,
                },
                {
                    "type": "namespace",
                    "name": "mcp__x",
                    "description": "about x",
                    "tools": [
                        {"type": "function", "name": "f"},
                        {"type": "custom", "name": "p", "format": {"type": "text"}},
                    ],
                },
                {"type": "custom", "name": "apply_patch", "description": "d"},
                {
                    "type": "web_search_preview",
                    "search_context_size": "low",
                    "filters": {"allowed_domains": ["a.example"]},
                    "user_location": {"type": "approximate", "country": "DE"},
                },
                {"type": "code_interpreter", "container": {"type": "auto"}},
                search,
            ],
        }
    )
    assert request.tools == (
        FunctionTool("f", "d", schema, strict=True),
        FunctionTool("f", namespace="mcp__x"),
        CustomTool("p", format={"type": "text"}, namespace="mcp__x"),
        CustomTool("apply_patch", "d"),
        WebSearchTool(
            allowed_domains=("a.example",),
            user_location={"type": "approximate", "country": "DE"},
        ),
        HostedTool(
            "code_execution",
            "openai_responses",
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ),
        HostedTool("tool_search", "openai_responses", search),
        HostedTool("mcp", "openai_responses", {"type": "mcp"}),
    )


@pytest.mark.parametrize(
    ("wire", "choice"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("required", ("f",))),
        ({"type": "custom", "name": "p"}, ToolChoice("required", ("p",))),
        ({"type": "web_search_preview"}, ToolChoice("required", ("web_search",))),
        ({"type": "code_interpreter"}, ToolChoice("required", ("code_execution",))),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ToolChoice("auto", ("f", "web_search")),
        ),
    ],
)
def test_tool_choice_is_decoded(wire: Any, choice: ToolChoice | None) -> None:
    assert decode({"tool_choice": wire}).tool_choice == choice


@pytest.mark.parametrize(
    ("wire", "thinking"),
    [
        ({"effort": None, "summary": "auto"}, ThinkingConfig(include=True, summary="auto")),
        ({"effort": "none"}, ThinkingConfig("off")),
        ({"effort": "xhigh"}, ThinkingConfig("on", effort="xhigh")),
        (None, ThinkingConfig()),
    ],
)
def test_thinking_is_decoded(wire: Any, thinking: ThinkingConfig) -> None:
    assert decode({"reasoning": wire}).thinking == thinking


@pytest.mark.parametrize(
    ("wire", "form"),
    [
        ({"type": "text"}, ResponseFormat()),
        ({"type": "json_object"}, ResponseFormat("json")),
        (
            {"type": "json_schema", "name": "P", "schema": {"a": 1}, "strict": True},
            ResponseFormat("schema", "P", None, {"a": 1}, strict=True),
        ),
    ],
)
def test_response_format(wire: Any, form: ResponseFormat) -> None:
    assert decode({"text": {"format": wire}}).response_format == form


def test_scalars_and_extensions() -> None:
    request = decode(
        {
            "max_output_tokens": 7,
            "temperature": 1,
            "top_p": 0.5,
            "top_logprobs": 3,
            "parallel_tool_calls": False,
            "metadata": {"a": "b"},
            "safety_identifier": "who",
            "prompt_cache_key": "k",
            "service_tier": "flex",
            "text": {"verbosity": "low"},
            "truncation": "auto",
            "client_metadata": {"x": "y"},
            "stream_options": {"include_obfuscation": False},
            "from_the_future": [1],
        }
    )
    assert request.max_output_tokens == 7
    assert (request.sampling.temperature, request.sampling.top_p) == (1.0, 0.5)
    assert (request.sampling.logprobs, request.sampling.top_logprobs) == (True, 3)
    assert request.parallel_tool_calls is False
    assert request.metadata == {"a": "b"}
    assert (request.user, request.prompt_cache_key) == ("who", "k")
    assert (request.service_tier, request.verbosity) == ("flex", "low")
    assert request.extensions == {
        "safety_identifier": "who",
        "truncation": "auto",
        "client_metadata": {"x": "y"},
        "stream_options": {"include_obfuscation": False},
        "from_the_future": [1],
    }


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"input": None}, "input", ()),
        ({"input": 3}, "input", ()),
        ({"input": ["x"]}, "input[0]", ()),
        ({"input": [{}]}, "input[0].type", ("message", "reasoning")),
        ({"input": [{"role": "bot", "content": ""}]}, "input[0].role", ("developer",)),
        (
            {"input": [{"role": "user", "content": [{"type": "video"}]}]},
            "input[0].content[0].type",
            ("input_text", "input_image", "input_file"),
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
            (),
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
            ("file_id",),
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}],
                    }
                ]
            },
            "input[0].content[0].image_url",
            ("https",),
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id", ()),
        ({"input": [{"type": "function_call_output"}]}, "input[0].call_id", ()),
        (
            {
                "input": [
                    {"type": "function_call_output", "call_id": "a", "output": [{"type": "x"}]}
                ]
            },
            "input[0].output[0].type",
            ("input_text",),
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name", ()),
        ({"tools": [{"name": "f"}]}, "tools[0].type", ("function", "namespace")),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]},
            "tools[0].tools[0].type",
            ("function", "custom"),
        ),
        ({"tool_choice": "maybe"}, "tool_choice", ("auto", "none", "required")),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name", ()),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", ("minimal", "xhigh")),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", ("json_schema",)),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", ()),
        ({"text": {"verbosity": "chatty"}}, "text.verbosity", ("low", "medium", "high")),
        ({"max_output_tokens": 0}, "max_output_tokens", ()),
        ({"temperature": "hot"}, "temperature", ()),
        ({"conversation": "conv_1"}, "conversation", ("previous_response_id",)),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", ("instructions",)),
        ({"model": 3}, "model", ()),
    ],
)
def test_errors_name_the_field_and_its_valid_values(
    body: dict[str, Any], param: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode(body)
    assert caught.value.param == param
    for word in (param, *words):
        assert word in caught.value.message


@pytest.mark.parametrize("odd", [[], {}, 3, True, ["x"]])
@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("input[0].type", {"input": [{"type": "ODD"}]}),
        ("input[0].role", {"input": [{"role": "ODD"}]}),
        (
            "input[0].content[0].type",
            {"input": [{"role": "user", "content": [{"type": "ODD"}]}]},
        ),
        ("tools[0].type", {"tools": [{"type": "ODD"}]}),
        ("tool_choice.type", {"tool_choice": {"type": "ODD"}}),
        (
            "tool_choice.tools[0].type",
            {"tool_choice": {"type": "allowed_tools", "tools": [{"type": "ODD"}]}},
        ),
        ("reasoning.effort", {"reasoning": {"effort": "ODD"}}),
        ("text.format.type", {"text": {"format": {"type": "ODD"}}}),
        ("include[0]", {"include": ["ODD"]}),
        ("store", {"store": "ODD"}),
    ],
)
def test_values_of_any_kind_are_refused_by_name(param: str, body: Any, odd: Any) -> None:
    if param == "store" and odd is True:
        return
    with pytest.raises(InvalidRequestError) as caught:
        decode(json.loads(json.dumps(body).replace('"ODD"', json.dumps(odd))))
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":"\xff"}', b"[" * 9999, b'"x"'])
def test_body_that_is_no_object_is_rejected(body: bytes) -> None:
    for method in (SERVER.decode, SERVER.peek):
        with pytest.raises(InvalidRequestError):
            method(call(body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "user", "message"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "output", "call_id", "summary", "action", "id"]
            ),
            inner
            | st.sampled_from(["input_text", "function_call", "reasoning", "web_search_call"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["input", "tools", "tool_choice", "reasoning", "text", "instructions"]),
        json_values,
    )
)
def test_invalid_body_raises_complete_error(body: dict[str, Any]) -> None:
    param: str | None = "input"
    try:
        decode(body)
    except InvalidRequestError as error:
        param = error.param
    assert param is not None
    assert param.split("[")[0].split(".")[0] in {"input", *body}


def test_peek_and_with_model() -> None:
    body = b'{ "input" : "\\u00e9", "model":"a", "stream":true }'
    assert SERVER.peek(call(body)) == Head("a", True)
    assert SERVER.with_model(call(body), 'b"') == body.replace(b'"a"', b'"b\\""')


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (InvalidRequestError("x", param="input[0]"), 400, "invalid_request_error", None),
        (RateLimitedError("x", retry_after=1.2), 429, "rate_limit_error", "rate_limit_exceeded"),
        (QuotaExhaustedError("x"), 429, "insufficient_quota", "insufficient_quota"),
        (GatewayError("x"), 500, "server_error", None),
    ],
)
def test_errors_have_openai_s_shape(
    error: GatewayError, status: int, kind: str, code: str | None
) -> None:
    reply = SERVER.encode_error(error, "req_1")
    assert reply.status == status
    assert json.loads(reply.body) == {
        "error": {"message": "x", "type": kind, "param": error.param, "code": code}
    }
    waits = [value for name, value in reply.headers if name.lower() == "retry-after"]
    assert waits == (["2"] if error.retry_after else [])


def test_models_are_encoded() -> None:
    model = Model("m", owned_by="who", created=7)
    entry = {"id": "m", "object": "model", "created": 7, "owned_by": "who"}
    this = call(b"")
    assert json.loads(SERVER.encode_model(model, this).body) == entry
    assert json.loads(SERVER.encode_models([model], this).body) == {
        "object": "list",
        "data": [entry],
    }
    assert json.loads(SERVER.encode_count(TokenCount(5), this).body)["input_tokens"] == 5
