"""Requests of clients: both spellings, all parts, ids for calls, errors that name the field."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Media, Opaque, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import ResponseFormat, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.protocols.gemini_signatures import of_redacted, to_wire
from tests.protocols.gemini.builders import SERVER, call, decode, match, recordings

FILE = "https://generativelanguage.googleapis.com/v1beta/files/a"


def user(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def test_server_provides_its_interface() -> None:
    verifyObject(IServerProtocol, SERVER)


@pytest.mark.parametrize("recorded", recordings(), ids=lambda r: f"{r['file']}:{r['agent']}")
def test_every_recorded_request_is_understood(recorded: dict[str, Any]) -> None:
    made = call(recorded["body"], path=recorded["path"], query=recorded["query"])
    head = SERVER.peek(made)
    assert head.model.startswith("gemini-")
    assert head.stream == ("stream" in recorded["path"])
    request = SERVER.decode(made)
    assert request.messages
    assert request.model == head.model
    assert not any(isinstance(p, Opaque) for m in request.messages for p in m.parts)
    called = {p.id for m in request.messages for p in m.parts if isinstance(p, ToolCall)}
    answered = {p.call_id for m in request.messages for p in m.parts if isinstance(p, ToolResult)}
    assert called == answered
    body = json.dumps(recorded["body"])
    names = [
        declared["name"]
        for tool in recorded["body"].get("tools", ())
        for declared in next(iter(tool.values()))
    ]
    assert [tool.name for tool in request.tools if isinstance(tool, FunctionTool)] == names
    for key in ("temperature", "topP", "topK"):
        value = recorded["body"].get("generationConfig", {}).get(key)
        name = {"topP": "top_p", "topK": "top_k"}.get(key, key)
        assert getattr(request.sampling, name) == value
    if "thinking_budget" in body:
        assert request.thinking == ThinkingConfig("on", 128, include=True)
    if "responseSchema" in body:
        assert request.response_format.schema is not None
        assert request.response_format.schema["type"] == "object"
        assert request.response_format.schema["properties"]["name"]["type"] == "string"


@pytest.mark.parametrize("version", ["/v1", "/v1beta"])
@pytest.mark.parametrize("model", ["gemini-x", "models/gemini-x"])
def test_routes_match_every_operation(version: str, model: str) -> None:
    base = f"{version}/models/{model}"
    assert match("GET", f"{version}/models")[0].operation == "list_models"
    assert match("GET", base)[0].operation == "get_model"
    for verb, operation, tag in (
        (":generateContent", "generate", "whole"),
        (":streamGenerateContent", "generate", "stream"),
        (":countTokens", "count_tokens", ""),
        ("/countTokens", "count_tokens", ""),
    ):
        route, _ = match("POST", base + verb)
        assert (route.operation, route.tag) == (operation, tag)
        head = SERVER.peek(call(user("x"), path=base + verb))
        assert head.model == "gemini-x"


def test_both_spellings_mean_the_same() -> None:
    snake = {
        "contents": [
            {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "_-8"}}]}
        ],
        "system_instruction": {"parts": [{"text": "s"}]},
        "tools": [
            {"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}
        ],
        "tool_config": {
            "function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}
        },
        "generation_config": {
            "max_output_tokens": 5,
            "top_k": 3,
            "stop_sequences": ["x"],
            "thinking_config": {"include_thoughts": True, "thinking_budget": 7},
            "response_mime_type": "application/json",
            "response_json_schema": {"type": "OBJECT"},
        },
    }
    camel = {
        "contents": [
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "/+8="}}]}
        ],
        "systemInstruction": {"parts": [{"text": "s"}]},
        "tools": [
            {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "maxOutputTokens": 5,
            "topK": 3,
            "stopSequences": ["x"],
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 7},
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
        },
    }
    request = decode(snake)
    assert request == decode(camel)
    assert request.messages[0].parts == (Media("image", InlineData("/+8="), "image/png"),)
    assert request.tool_choice == ToolChoice("required", ("f",))
    assert request.thinking == ThinkingConfig("on", 7, include=True)
    assert request.response_format == ResponseFormat("schema", schema={"type": "object"})
    assert request.extensions == {}


def test_user_data_is_never_touched() -> None:
    data = {"snake_case": {"file_data": 1, "text": "null"}, "function_call": None, "n": 1.0}
    schema = {"type": "object", "properties": {"any_of": {"type": "string"}, "max_items": {}}}
    request = decode(
        {
            "contents": [
                {"role": "user", "parts": [{"text": "null"}, {"text": "12"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": data}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": data}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}],
        }
    )
    assert request.messages[0].parts == (Text("null"), Text("12"))
    (called,) = request.messages[1].parts
    assert isinstance(called, ToolCall)
    assert json.loads(called.arguments) == data
    (result,) = request.messages[2].parts
    assert isinstance(result, ToolResult)
    assert isinstance(result.parts[0], Text)
    assert json.loads(result.parts[0].text) == data
    (tool,) = request.tools
    assert isinstance(tool, FunctionTool)
    assert tool.parameters == schema


@pytest.mark.parametrize(
    "contents",
    [
        "hi",
        ["hi"],
        {"parts": "hi"},
        [{"parts": {"text": "hi"}}],
        [{"role": "user", "parts": ["hi"]}],
    ],
)
def test_shorthand_contents_are_decoded(contents: Any) -> None:
    request = decode({"contents": contents, "systemInstruction": "be kind"})
    assert [m.parts for m in request.messages] == [(Text("hi"),)]
    assert request.messages[0].role == "user"
    assert request.system == (Text("be kind"),)


def test_roles_are_decoded() -> None:
    contents = [
        {"parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"text": "b"}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
        {"role": "model", "parts": []},
    ]
    assert [m.role for m in decode({"contents": contents}).messages] == [
        "user",
        "assistant",
        "user",
    ]
    with pytest.raises(InvalidRequestError) as caught:
        decode({"contents": [{"role": "wizard", "parts": [{"text": "x"}]}]})
    assert caught.value.param == "$.contents[0].role"


def test_calls_without_ids_pair_with_their_results() -> None:
    def called(name: str, **more: str) -> dict[str, Any]:
        return {"functionCall": {"name": name, "args": {}, **more}}

    def answered(name: str, text: str, **more: str) -> dict[str, Any]:
        return {"functionResponse": {"name": name, "response": {"result": text}, **more}}

    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {
                "role": "model",
                "parts": [called("f"), called("f"), called("g"), called("h", id="x")],
            },
            {
                "role": "user",
                "parts": [
                    answered("f", "1"),
                    answered("g", "3"),
                    answered("f", "2"),
                    answered("h", "4"),
                ],
            },
            {"role": "model", "parts": [called("f", id="call_f_3"), called("f")]},
            {"role": "user", "parts": [answered("f", "6", id="made-up"), answered("f", "7")]},
            {"role": "user", "parts": [answered("z", "orphan")]},
        ]
    }
    request = decode(body)
    ids = [p.id for m in request.messages for p in m.parts if isinstance(p, ToolCall)]
    results = {
        p.call_id: p.parts[0].text
        for m in request.messages
        for p in m.parts
        if isinstance(p, ToolResult) and isinstance(p.parts[0], Text)
    }
    assert ids == ["call_f_1", "call_f_2", "call_g_1", "x", "call_f_3", "call_f_4"]
    assert results == {
        "call_f_1": "1",
        "call_f_2": "2",
        "call_g_1": "3",
        "x": "4",
        "call_f_3": "6",
        "call_f_4": "7",
        "call_z_1": "orphan",
    }
    assert decode(body) == request


@pytest.mark.parametrize(
    ("response", "text", "failed"),
    [
        ({"result": "x"}, "x", False),
        ({"output": "x"}, "x", False),
        ({"error": "x"}, "x", True),
        ({"error": {"a": 1}}, '{"a":1}', True),
        ({"result": 5}, '{"result":5}', False),
        ({"a": 1, "error": "x"}, '{"a":1,"error":"x"}', False),
        ("plain", "plain", False),
        ([1], "[1]", False),
        ({}, None, False),
    ],
)
def test_function_responses(response: Any, text: str | None, failed: bool) -> None:
    parts = (
        decode(user({"functionResponse": {"name": "f", "response": response}})).messages[0].parts
    )
    (result,) = parts
    assert isinstance(result, ToolResult)
    assert result.parts == (() if text is None else (Text(text),))
    assert result.is_error is failed


def test_media_are_decoded() -> None:
    parts = (
        decode(
            user(
                {
                    "inlineData": {"mimeType": "audio/wav", "data": "aGk"},
                    "mediaResolution": "MEDIA_RESOLUTION_LOW",
                },
                {"fileData": {"fileUri": FILE, "mimeType": "video/mp4"}},
                {"fileData": {"fileUri": "gs://b/x.pdf"}, "videoMetadata": {"fps": 1}},
                {"fileData": {"fileUri": "https://youtu.be/x"}},
                {
                    "fileData": {"fileUri": "https://example.com/x.png"},
                    "media_resolution": {"level": "MEDIA_RESOLUTION_HIGH"},
                },
                {
                    "inlineData": {
                        "mimeType": "application/pdf",
                        "data": "aGk=",
                        "displayName": "a.pdf",
                    }
                },
            )
        )
        .messages[0]
        .parts
    )
    assert parts == (
        Media("audio", InlineData("aGk="), "audio/wav", detail="low"),
        Media(
            "video",
            FileReference(FILE, "google"),
            "video/mp4",
        ),
        Media("document", FileReference("gs://b/x.pdf", "google")),
        Opaque("gemini", "part_fields", {"videoMetadata": {"fps": 1}}),
        Media("video", UrlSource("https://youtu.be/x")),
        Media("image", UrlSource("https://example.com/x.png"), detail="high"),
        Media("document", InlineData("aGk="), "application/pdf", title="a.pdf"),
    )


def test_thoughts_and_signatures() -> None:
    native = Signature("c2ln", "gemini")
    sealed = to_wire(Signature("claude's own!", "claude"))
    redacted = to_wire(of_redacted("secret", "claude"))
    contents = [
        {"role": "user", "parts": [{"text": "x"}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "ah", "thought": True, "thoughtSignature": sealed},
                {"text": "", "thought": True, "thoughtSignature": redacted},
                {"text": "a", "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f", "id": "1"}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f", "id": "2"}, "thoughtSignature": redacted},
                {"thoughtSignature": "c2ln"},
                {"text": ""},
                {},
            ],
        },
    ]
    parts = decode({"contents": contents}).messages[1].parts
    hidden = Thinking(signature=Signature("", "claude"), redacted="secret")
    assert parts == (
        Thinking("hm"),
        Thinking("ah", Signature("claude's own!", "claude")),
        hidden,
        Text("a", signature=native),
        ToolCall("1", "f", "{}", signature=native),
        hidden,
        ToolCall("2", "f", "{}"),
        Text("", signature=native),
    )


def test_sealed_signatures_are_base64() -> None:
    for signature in (
        Signature("a.b/c=", "claude"),
        Signature("not base64!", "gemini"),
        Signature("", "gemini"),
        of_redacted("x" * 99, "claude"),
    ):
        text = to_wire(signature)
        assert base64.b64decode(text, validate=True)
        part = {"text": "", "thought": True, "thoughtSignature": text}
        (found,) = decode({"contents": [{"role": "model", "parts": [part]}]}).messages[0].parts
        assert isinstance(found, Thinking)
        assert found.redacted or found.signature == signature
    assert to_wire(Signature("c2ln", "gemini")) == "c2ln"


def test_code_is_opaque() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert decode(user(part)).messages[0].parts == (Opaque("gemini", "executableCode", part),)
    new = {"somethingNew": {"a_b": 1}}
    assert decode(user(new)).messages[0].parts == (Opaque("gemini", "somethingNew", new),)


def test_tools_are_decoded() -> None:
    request = decode(
        {
            **user({"text": "x"}),
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "description": "d",
                            "parameters": {
                                "type": "OBJECT",
                                "properties": {"a": {"type": "STRING"}},
                            },
                            "behavior": "NON_BLOCKING",
                        },
                        {"name": "g"},
                    ]
                },
                {"google_search": {"timeRangeFilter": {}}},
                {"codeExecution": {}},
                {"urlContext": {}, "googleMaps": {"x": 1}},
            ],
            "toolConfig": {
                "functionCallingConfig": {"mode": "validated"},
                "retrievalConfig": {"a": 1},
            },
        }
    )
    assert request.tools == (
        FunctionTool("f", "d", {"type": "object", "properties": {"a": {"type": "string"}}}),
        FunctionTool("g"),
        WebSearchTool(),
        HostedTool("code_execution", "gemini", {"codeExecution": {}}),
        HostedTool("url_context", "gemini", {"urlContext": {}}),
        HostedTool("googleMaps", "gemini", {"googleMaps": {"x": 1}}),
    )
    assert request.tool_choice == ToolChoice("auto")
    assert request.extensions == {
        "functionDeclarations": {"f": {"behavior": "NON_BLOCKING"}},
        "googleSearch": {"timeRangeFilter": {}},
        "toolConfig": {
            "functionCallingConfig": {"mode": "VALIDATED"},
            "retrievalConfig": {"a": 1},
        },
    }


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": 2}, ToolChoice("required")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY", "allowedFunctionNames": ["a"]}, ToolChoice("required", ("a",))),
        ({"mode": "AUTO", "allowedFunctionNames": ["a"]}, ToolChoice("auto", ("a",))),
        ({"mode": "MODE_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_tool_choice_is_decoded(config: dict[str, Any], expected: ToolChoice | None) -> None:
    body = {**user("x"), "toolConfig": {"functionCallingConfig": config}}
    assert decode(body).tool_choice == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"thinkingBudget": 0}, ThinkingConfig("off")),
        ({"thinkingBudget": -1, "includeThoughts": True}, ThinkingConfig("adaptive", include=True)),
        ({"thinkingBudget": "512"}, ThinkingConfig("on", 512)),
        ({"thinkingLevel": "HIGH"}, ThinkingConfig("on", effort="high")),
        ({"thinkingLevel": "low"}, ThinkingConfig("on", effort="low")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ThinkingConfig()),
        ({"includeThoughts": False}, ThinkingConfig(include=False)),
    ],
)
def test_thinking_is_decoded(config: dict[str, Any], expected: ThinkingConfig) -> None:
    body = {**user("x"), "generationConfig": {"thinkingConfig": config}}
    assert decode(body).thinking == expected


def test_other_fields_become_extensions() -> None:
    request = decode(
        {
            **user("x"),
            "model": "models/other",
            "safetySettings": [{"category": "A"}],
            "cachedContent": "c",
            "labels": {"a": "b"},
            "brand_new": 1,
            "generationConfig": {
                "mediaResolution": "MEDIA_RESOLUTION_LOW",
                "responseModalities": ["TEXT", 2],
                "imageConfig": {"aspectRatio": "1:1"},
                "speechConfig": {"a": 1},
                "candidateCount": 2,
                "responseLogprobs": True,
                "logprobs": 3,
            },
        }
    )
    assert request.extensions == {
        "safetySettings": [{"category": "A"}],
        "cachedContent": "c",
        "labels": {"a": "b"},
        "brand_new": 1,
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }
    assert request.model == "gemini-x"
    assert request.modalities == ("text", "image")
    assert request.image_config == {"aspectRatio": "1:1"}
    assert request.audio_config == {"a": 1}
    assert (request.sampling.n, request.sampling.logprobs, request.sampling.top_logprobs) == (
        2,
        True,
        3,
    )


def test_count_tokens_accepts_plain_and_wrapped_bodies() -> None:
    path = "/v1beta/models/gemini-x/countTokens"
    plain = decode(user("x"), path=path)
    wrapped = decode({"generateContentRequest": {"model": "models/y", **user("x")}}, path=path)
    assert plain == wrapped
    with pytest.raises(InvalidRequestError) as caught:
        decode({"generate_content_request": {"contents": [{"parts": [{"text": 5}]}]}}, path=path)
    assert caught.value.param == "$.generateContentRequest.contents[0].parts[0].text"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "$.contents"),
        ({"contents": []}, "$.contents"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "$.contents[0].parts[0].text"),
        ({"contents": 5}, "$.contents[0]"),
        (user({"functionCall": {"args": {}}}), "$.contents[0].parts[0].functionCall.name"),
        (
            user({"functionCall": {"name": "f", "args": []}}),
            "$.contents[0].parts[0].functionCall.args",
        ),
        (user({"functionResponse": {}}), "$.contents[0].parts[0].functionResponse.name"),
        (
            user({"inlineData": {"mimeType": "a/b", "data": "%%"}}),
            "$.contents[0].parts[0].inlineData.data",
        ),
        (user({"inline_data": {"data": "aGk="}}), "$.contents[0].parts[0].inlineData.mimeType"),
        ({**user("x"), "generationConfig": {"topK": "many"}}, "$.generationConfig.topK"),
        (
            {**user("x"), "tools": [{"functionDeclarations": [{}]}]},
            "$.tools[0].functionDeclarations[0].name",
        ),
        (
            {**user("x"), "toolConfig": {"functionCallingConfig": {"mode": "X"}}},
            "$.toolConfig.functionCallingConfig.mode",
        ),
        (
            {**user("x"), "generationConfig": {"thinkingConfig": {"thinkingLevel": "so-so"}}},
            "$.generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            {**user("x"), "systemInstruction": {"parts": [{"inlineData": {}}]}},
            "$.systemInstruction.parts[0]",
        ),
    ],
)
def test_errors_name_the_field(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode(body)
    assert caught.value.param == param
    reply = SERVER.encode_error(caught.value, "r1")
    details = json.loads(reply.body)["error"]["details"]
    assert details[0]["fieldViolations"][0]["field"] == param[2:]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":' * 2000, b'"x"'])
def test_body_that_is_not_an_object_is_refused(body: bytes) -> None:
    for act in (SERVER.peek, SERVER.decode):
        with pytest.raises(InvalidRequestError):
            act(call(body))


def test_with_model_changes_only_the_model() -> None:
    body = (
        b' { "contents" : [ {"model":"x"} ],\n "generateContentRequest":'
        b'{ "a":"\\"model\\":", "model" :  "models/a" , "z":1.0 } }'
    )
    changed = SERVER.with_model(call(body), "b")
    assert changed == body.replace(b'"models/a"', b'"models/b"')
    plain = json.dumps(user("x")).encode()
    assert SERVER.with_model(call(plain), "b") == plain
    assert SERVER.with_model(call(b'{"model": "models/a"}'), "b") == b'{"model": "models/b"}'


def test_a_result_belongs_to_the_latest_open_call_of_its_name() -> None:
    called = {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}
    answered = {"parts": [{"functionResponse": {"name": "f", "response": {"result": "late"}}}]}
    request = decode({"contents": ["go", called, "interrupted", called, answered]})
    (result,) = request.messages[-1].parts
    assert isinstance(result, ToolResult)
    assert result.call_id == "call_f_2"


def test_pieces_of_streamed_thought_are_joined() -> None:
    # Chats keep every chunk, each as a content of its own; only the last piece is signed.
    signature = to_wire(Signature("abcd", "claude"))
    pieces = [
        {"text": "First ", "thought": True},
        {"text": "then.", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": signature},
        {"functionCall": {"name": "f", "args": {}}},
    ]
    together = [{"role": "model", "parts": pieces}]
    apart = [{"role": "model", "parts": [piece]} for piece in pieces]
    for contents in (together, apart):
        body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}, *contents]}
        [_, turn] = decode(body).messages
        thinking, call = turn.parts
        assert thinking == Thinking("First then.", Signature("abcd", "claude"))
        assert isinstance(call, ToolCall)
