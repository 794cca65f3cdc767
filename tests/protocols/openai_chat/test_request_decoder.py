"""What clients send is understood, or refused with the name of the field at fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Model as SdkModel
from openai.types.chat import ChatCompletion
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.ir import errors
from antigravity.ir.capabilities import Model
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    CacheControl,
    Citation,
    Media,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from antigravity.ir.request import Message, Request, ResponseFormat, ThinkingConfig
from antigravity.ir.response import Choice, Response
from antigravity.ir.signature import Signature
from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_SERVER
from tests.protocols.openai_chat.builders import call, context

SERVER = OPENAI_CHAT_SERVER
USER = {"role": "user", "content": "hi"}
RECORDINGS = [
    json.loads(line)
    for line in Path(__file__).with_name("openai_chat_recordings.jsonl").read_text().splitlines()
]


def decode(**fields: Any) -> Request:
    return SERVER.decode(call({"model": "m", "messages": [USER], **fields}))


def messages(*wire: dict[str, Any]) -> tuple[Message, ...]:
    return decode(messages=list(wire)).messages


def refused(body: Any) -> errors.InvalidRequestError:
    with pytest.raises(errors.InvalidRequestError) as caught:
        SERVER.decode(call(body))
    return caught.value


def test_server_provides_its_interfaces() -> None:
    assert verifyObject(IServerProtocol, SERVER)
    assert verifyObject(IStreamEncoder, SERVER.encoder(context()))


# Recordings


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded body with a stand-in for what the recorder cut out."""
    if "tools" in body:
        body = {**body, "tools": [tool for tool in body["tools"] if isinstance(tool, dict)]}
    return json.loads(
        json.dumps(body, ensure_ascii=False).replace("iVBORw0KGg…<114 chars>", "AAAA")
    )


@pytest.mark.parametrize("entry", RECORDINGS, ids=lambda e: f"{e['source']}-{e['n']}")
def test_recorded_requests(entry: dict[str, Any]) -> None:
    wire = _whole(entry["body"])
    request = SERVER.decode(call(wire))
    assert request.model == "gpt-5.1"
    assert request.stream is bool(wire.get("stream"))
    assert request.include_usage is (not request.stream or "stream_options" in wire)
    assert len(request.tools) == len(wire.get("tools", ()))
    assert set(request.extensions) <= {"store"}
    said = [text.text for text in request.system]
    calls = []
    for message in request.messages:
        for part in message.parts:
            said += [part.text] if isinstance(part, Text) else []
            calls += [part.id] if isinstance(part, ToolCall) else []
            if isinstance(part, ToolResult):
                assert part.call_id in calls
    for message in wire["messages"]:
        if isinstance(message["content"], str) and message["role"] != "tool":
            assert message["content"] in said


def test_recorded_tool_turn_is_decoded() -> None:
    body = next(e for e in RECORDINGS if e["source"] == "opencode_gwchat" and e["n"] == 3)["body"]
    request = SERVER.decode(call(_whole(body)))
    call_id = "call_8dae281a429a4691b1d76b25"
    arguments = '{"command":"expr 40 + 2 | sed s/^/ZEBRA-/"}'
    assert request.messages == (
        Message("user", (Text("USE_TOOL:shell"),)),
        Message("assistant", (Text("Calling a tool."), ToolCall(call_id, "bash", arguments))),
        Message("user", (ToolResult(call_id, (Text("ZEBRA-42\n"),)),)),
    )
    assert request.thinking == ThinkingConfig("on", effort="medium")
    assert request.max_output_tokens == 8000
    assert request.tool_choice == ToolChoice("auto")


def test_recorded_mix_of_parts_is_decoded() -> None:
    body = next(e for e in RECORDINGS if e["source"] == "py_sdks" and e["n"] == 11)["body"]
    request = SERVER.decode(call(_whole(body)))
    assert request.system == (Text("x"), Text("y"))
    image = Media("image", InlineData("AAAA"), "image/png", detail="low")
    assert request.messages == (Message("user", (Text("see"), image)),)
    assert (request.user, request.sampling.seed, request.metadata) == ("u", 1, {"a": "b"})
    assert request.extensions == {"store": False}


# Messages


def test_instructions_are_decoded_wherever_they_are() -> None:
    request = decode(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            USER,
            {"role": "system", "content": "c", "name": "n"},
        ]
    )
    assert request.system == (Text("a"), Text("b"))
    assert request.messages[1] == Message("system", (Text("c"),), "n")


def test_content_parts_are_decoded() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
        {"type": "image_url", "image_url": "data:image/gif;base64,-_8"},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/file"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "f"},
        },
        {"type": "file", "file": {"file_data": "AAAA", "filename": "t.csv"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "video_url", "video_url": {"url": "https://x/film"}},
    ]
    assert messages({"role": "user", "content": parts})[0].parts == (
        Text("t", cache=CacheControl("1h")),
        Media("image", UrlSource("https://x/y.png"), detail="high"),
        Media("image", InlineData("+/8="), "image/gif"),
        Media("image", InlineData("PHN2Zy8+"), "image/svg+xml"),
        Media("image", FileReference("gs://bucket/file", "google")),
        Media("audio", InlineData("AAAA"), "audio/mpeg"),
        Media("document", InlineData("AAAA"), "application/pdf", title="f"),
        Media("document", InlineData("AAAA"), "text/csv", title="t.csv"),
        Media("document", FileReference("file-1", "openai")),
        Text("no"),
        Media("video", UrlSource("https://x/film")),
    )


def test_assistant_messages_are_decoded() -> None:
    wire = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "reasoning": "hm",
        "refusal": "no",
        "audio": {"id": "audio_1"},
        "annotations": [],
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": ""},
                "extra_content": {"google": {"thought_signature": "sig"}},
            },
            {
                "id": "b",
                "type": "custom",
                "custom": {"name": "g", "input": "raw"},
                "extra_content": {"google": {"thought_signature": "ag1.claude.sig"}},
            },
            {"id": "c", "function": {"name": "h", "arguments": {"x": 1}}},
        ],
    }
    assert messages(wire)[0].parts == (
        Thinking("hm"),
        Text("no"),
        Opaque("openai_chat", "audio", {"id": "audio_1"}),
        ToolCall("a", "f", "{}", signature=Signature("sig", "gemini")),
        ToolCall("b", "g", "raw", "custom", signature=Signature("sig", "claude")),
        ToolCall("c", "h", '{"x":1}'),
    )


def test_results_of_one_turn_become_one_message() -> None:
    calls = [{"id": i, "type": "custom", "custom": {"name": "f", "input": ""}} for i in "ab"]
    found = messages(
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        USER,
        {"role": "tool", "tool_call_id": "c", "content": None, "name": "n"},
    )
    assert [len(message.parts) for message in found] == [2, 2, 1, 1]
    assert found[1].parts == (
        ToolResult("a", (Text("1"),), kind="custom"),
        ToolResult("b", (Text("2"),), kind="custom"),
    )
    assert found[3].parts == (ToolResult("c", (), name="n"),)


def test_legacy_functions_are_decoded() -> None:
    request = decode(
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
        messages=[
            USER,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "1"},
            },
            {"role": "function", "name": "f", "content": "2"},
        ],
    )
    assert request.tools == (FunctionTool("f", parameters={"type": "object"}),)
    assert request.tool_choice == ToolChoice("required", ("f",))
    assert request.parallel_tool_calls is False
    made, answered = request.messages[1].parts[0], request.messages[2].parts[0]
    assert isinstance(made, ToolCall)
    assert answered == ToolResult(made.id, (Text("2"),), name="f")
    assert decode(function_call="none").tool_choice == ToolChoice("none")


# Tools and options


def test_tools_are_decoded() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    place = {"type": "approximate", "approximate": {"city": "Bonn"}}
    request = decode(
        tools=[
            {"type": "function", "function": {"name": "f", "description": "d", "strict": True}},
            {"type": "function", "name": "flat", "parameters": {"type": "object"}},
            {"type": "custom", "custom": {"name": "c", "format": grammar}},
            {"type": "web_search", "filters": {"allowed_domains": ["a.b"]}},
            {"type": "code_interpreter", "container": "x"},
        ],
        web_search_options={"user_location": place, "search_context_size": "low"},
    )
    assert request.tools == (
        FunctionTool("f", "d", strict=True),
        FunctionTool("flat", parameters={"type": "object"}),
        CustomTool("c", format={"type": "grammar", "syntax": "lark", "definition": "start: /a/"}),
        WebSearchTool(allowed_domains=("a.b",)),
        HostedTool(
            "code_interpreter", "openai_chat", {"type": "code_interpreter", "container": "x"}
        ),
        WebSearchTool(user_location={"type": "approximate", "city": "Bonn"}),
    )
    assert request.extensions == {"web_search_options": {"search_context_size": "low"}}


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("required", ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("required", ("f",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "g"}},
                    ],
                },
            },
            ToolChoice("auto", ("f", "g")),
        ),
    ],
)
def test_tool_choice_is_decoded(wire: Any, expected: ToolChoice) -> None:
    assert decode(tool_choice=wire).tool_choice == expected


def test_options_are_decoded() -> None:
    request = decode(
        stop="x",
        max_tokens=5,
        max_completion_tokens=7,
        n=2,
        seed=3,
        temperature=1,
        top_p=0.5,
        presence_penalty=-1,
        frequency_penalty=2,
        logprobs=True,
        top_logprobs=4,
        reasoning_effort="none",
        verbosity="low",
        service_tier="flex",
        prompt_cache_key="k",
        modalities=["text", "audio"],
        audio={"voice": "v", "format": "wav"},
        safety_identifier="s",
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        logit_bias={"1": 2},
        brand_new={"deep": [1]},
    )
    assert request.stop == ("x",)
    assert request.max_output_tokens == 7
    assert (request.sampling.n, request.sampling.top_logprobs) == (2, 4)
    assert request.thinking == ThinkingConfig("off")
    assert request.audio_config == {"voice": "v", "format": "wav"}
    assert request.user == "s"
    assert request.response_format == ResponseFormat(
        "schema", "n", schema={"type": "object"}, strict=True
    )
    assert request.extensions == {"logit_bias": {"1": 2}, "brand_new": {"deep": [1]}}
    assert decode(response_format={"type": "json_object"}).response_format.kind == "json"
    assert decode(stop=["a", "b"]).stop == ("a", "b")
    assert decode(reasoning_effort="xhigh").thinking.effort == "xhigh"


# Bad input


def _with(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **fields}


def _body_with(message: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER, message]}


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"messages": [USER]}, "model", "required"),
        ({"model": 3, "messages": [USER]}, "model", "expected a string"),
        ({"model": "m"}, "messages", "required"),
        ({"model": "m", "messages": []}, "messages", "not be empty"),
        (_body_with({"content": "x"}), "messages[1].role", "developer, system, user"),
        (_body_with({"role": "bot", "content": "x"}), "messages[1].role", "assistant"),
        (_body_with({"role": "user"}), "messages[1].content", "required"),
        (_body_with({"role": "user", "content": 3}), "messages[1].content", "str"),
        (
            _body_with({"role": "user", "content": [{"type": "picture"}]}),
            "messages[1].content[0].type",
            "text, image_url, input_audio, file",
        ),
        (
            _body_with({"role": "user", "content": [{"type": "text"}]}),
            "messages[1].content[0].text",
            "required",
        ),
        (
            _body_with(
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
            ),
            "messages[1].content[0].image_url.url",
            "http",
        ),
        (
            _body_with({"role": "user", "content": [{"type": "file", "file": {}}]}),
            "messages[1].content[0].file",
            "file_data",
        ),
        (
            _body_with(
                {
                    "role": "user",
                    "content": [
                        {"type": "input_audio", "input_audio": {"data": "é", "format": "wav"}}
                    ],
                }
            ),
            "messages[1].content[0].input_audio.data",
            "base64",
        ),
        (
            _body_with({"role": "system", "content": [{"type": "file", "file": {"file_id": "x"}}]}),
            "messages[1].content[0].type",
            "text",
        ),
        (_body_with({"role": "tool", "content": "x"}), "messages[1].tool_call_id", "required"),
        (
            _body_with({"role": "assistant", "tool_calls": [{"id": "a", "type": "magic"}]}),
            "messages[1].tool_calls[0].type",
            "function, custom",
        ),
        (
            _body_with({"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}),
            "messages[1].tool_calls[0].function",
            "required",
        ),
        (_with(tools=[{"type": "function"}]), "tools[0].function", "required"),
        (_with(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "required"),
        (_with(tools=[{"type": 4}]), "tools[0].type", "function, custom"),
        (_with(tool_choice="maybe"), "tool_choice", "none, auto, required"),
        (_with(tool_choice={"type": "x"}), "tool_choice.type", "allowed_tools"),
        (_with(tool_choice={"type": "function"}), "tool_choice.function.name", "required"),
        (_with(n=0), "n", "from 1 to 128"),
        (_with(temperature=3), "temperature", "from 0 to 2"),
        (_with(stream="yes"), "stream", "bool"),
        (_with(reasoning_effort="huge"), "reasoning_effort", "none, minimal, low"),
        (_with(response_format={"type": "xml"}), "response_format.type", "json_schema"),
        (_with(response_format={"type": "json_schema"}), "response_format.json_schema", "required"),
        (_with(function_call="x"), "function_call", "none, auto"),
    ],
)
def test_invalid_input_names_the_field(body: Any, param: str, words: str) -> None:
    error = refused(body)
    assert error.param == param
    assert param in error.message
    assert words in error.message


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'"x"', b'{"model":"\xff"}', b'{"x":' + b"[" * 100_000]
)
def test_body_that_is_not_an_object_is_refused(body: bytes) -> None:
    refused(body)
    with pytest.raises(errors.InvalidRequestError):
        SERVER.peek(call(body))
    if b"\xff" not in body:  # it copies values and does not look into them
        with pytest.raises(errors.InvalidRequestError):
            SERVER.with_model(call(body), "x")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "tools",
                "tool_choice",
                "functions",
                "function_call",
                "web_search_options",
                "stop",
                "response_format",
                "metadata",
                "audio",
                "stream_options",
                "modalities",
                "n",
            ]
        ),
        _json
        | st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["function", "custom", "web_search"])})
        ),
    ),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"])},
        optional={
            "content": _json,
            "tool_calls": _json,
            "function_call": _json,
            "reasoning": _json,
            "name": _json,
        },
    ),
)
def test_any_json_is_decoded_or_refused(fields: dict[str, Any], message: dict[str, Any]) -> None:
    try:
        decode(**fields, messages=[message])
    except errors.InvalidRequestError as error:
        refusal: errors.InvalidRequestError | None = error
    else:
        refusal = None
    assert refusal is None or refusal.param


# Head and model


def test_peek_reads_model_and_stream() -> None:
    head = SERVER.peek(call({"stream": True, "model": "m", "messages": "not looked at"}))
    assert (head.model, head.stream) == ("m", True)
    assert SERVER.peek(call({"model": "m", "stream": None})).stream is False
    for body in ({}, {"model": ""}, {"model": None}):
        with pytest.raises(errors.InvalidRequestError) as caught:
            SERVER.peek(call(body))
        assert caught.value.param == "model"


@given(st.dictionaries(st.text(max_size=5), _json, max_size=5), st.text(), st.booleans())
def test_with_model_changes_only_the_model(fields: dict[str, Any], name: str, pretty: bool) -> None:
    body = {**fields, "model": "OLD", "messages": [{"model": "OLD"}]}
    text = json.dumps(body, indent=2 if pretty else None)
    found = SERVER.with_model(call(text.encode()), name)
    place = text.rindex('"OLD"', 0, text.rindex('"messages"'))
    expected = text[:place].encode() + msgspec.json.encode(name) + text[place + 5 :].encode()
    if list(body)[-1] == "messages":
        assert found == expected
    assert json.loads(found) == {**body, "model": name}


def test_with_model_replaces_repeated_keys() -> None:
    body = b'{"model":"a","x":1,"model":"b"}'
    assert json.loads(SERVER.with_model(call(body), "c")) == {"model": "c", "x": 1}


# Replies


def test_whole_completion_has_all_parts() -> None:
    parts = (
        Thinking("hm", Signature("s", "claude")),
        Text("Hel", (Citation("https://a", "A", start=0, end=3),)),
        Text("lo", (Citation("https://b"),)),
        ToolCall("c", "f", '{"a":1}', signature=Signature("sig", "gemini")),
        ToolCall("d", "g", "raw", "custom"),
        Media("image", InlineData("AAAA"), "image/png"),
    )
    logprobs = ({"token": "a", "logprob": -1.0},)
    response = Response(
        "x", "y", (Choice(parts, "tool_calls", logprobs=logprobs),), Usage(5, 2, 1, 4, 3)
    )
    body = json.loads(SERVER.encode_response(response, context()).body)
    completion = ChatCompletion.model_validate(body)
    message = completion.choices[0].message
    assert (message.content, completion.choices[0].finish_reason) == ("Hello", "tool_calls")
    assert [c.id for c in message.tool_calls or ()] == ["c", "d"]
    assert [c.type for c in message.tool_calls or ()] == ["function", "custom"]
    places = [a.url_citation.start_index for a in message.annotations or ()]
    assert places == [0, 5]
    raw = body["choices"][0]["message"]
    assert raw["reasoning_content"] == "hm"
    assert raw["images"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert raw["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "sig"}}
    assert completion.usage is not None
    assert completion.usage.total_tokens == 9
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 2
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        (Choice(), ""),
        (Choice((ToolCall("c", "f"),)), None),
        (Choice(refusal="no"), None),
        (Choice((Media("audio", InlineData("AAAA"), "audio/wav"),), transcripts=("hi",)), None),
    ],
)
def test_completion_without_text_has_null_content(choice: Choice, content: str | None) -> None:
    body = json.loads(SERVER.encode_response(Response(choices=(choice,)), context()).body)
    assert ChatCompletion.model_validate(body).choices[0].message.content == content


def test_whole_completion_has_legacy_call() -> None:
    response = Response(choices=(Choice((ToolCall("c", "f", "{}"),), "tool_calls"),))
    reply = SERVER.encode_response(response, context(body={"functions": [{"name": "f"}]}))
    choice = ChatCompletion.model_validate_json(reply.body).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None


def test_models_are_encoded() -> None:
    models = [Model("a/b", owned_by="x", created=5), Model("c")]
    body = json.loads(SERVER.encode_models(models, call(b"")).body)
    assert body["object"] == "list"
    assert [SdkModel.model_validate(entry).id for entry in body["data"]] == ["a/b", "c"]
    assert json.loads(SERVER.encode_model(models[0], call(b"")).body) == body["data"][0]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (errors.InvalidRequestError("x", param="n"), 400, "invalid_request_error", None),
        (errors.ContextLengthError("x"), 400, "invalid_request_error", "context_length_exceeded"),
        (errors.AuthenticationError("x"), 401, "authentication_error", "invalid_api_key"),
        (errors.PermissionDeniedError("x"), 403, "permission_error", None),
        (errors.NotFoundError("x"), 404, "invalid_request_error", "model_not_found"),
        (errors.RequestTooLargeError("x"), 413, "invalid_request_error", None),
        (errors.RateLimitedError("x"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (errors.QuotaExhaustedError("x"), 429, "insufficient_quota", "insufficient_quota"),
        (errors.UpstreamError("x"), 502, "server_error", None),
        (errors.UpstreamCredentialError("x"), 503, "server_error", None),
        (errors.DeadlineError("x", code="slow"), 504, "server_error", "slow"),
    ],
)
def test_errors_are_encoded(
    error: errors.GatewayError, status: int, kind: str, code: str | None
) -> None:
    reply = SERVER.encode_error(error, "req")
    assert reply.status == status
    expected = {"message": "x", "type": kind, "param": error.param, "code": code}
    assert json.loads(reply.body) == {"error": expected}
    # The SDK repeats a 503, which cannot help as long as a credential is refused.
    is_refused = isinstance(error, errors.UpstreamCredentialError)
    assert reply.headers == ((("x-should-retry", "false"),) if is_refused else ())


def test_retry_after_is_rounded_up() -> None:
    reply = SERVER.encode_error(errors.RateLimitedError("x", retry_after=1.2), "")
    assert reply.headers == (("retry-after", "2"),)
