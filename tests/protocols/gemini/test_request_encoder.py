"""Requests to Gemini: order, roles, signatures, tools, thinking; and what is lost is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from tests.protocols.gemini.builders import patient

CLIENT = GEMINI_CLIENT
HI = Message("user", (Text("hi"),))
NATIVE = Signature("c2ln", "gemini")
FOREIGN = Signature("x", "claude")


def encode(request: Request, **capabilities: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the body and the fields in which something was lost."""
    encoded = CLIENT.encode(request, Target("gemini-x", Capabilities("gemini", **capabilities)))
    return json.loads(encoded.body), [loss.field for loss in encoded.warnings]


def asked(*messages: Message, protocol: str = "anthropic", **fields: Any) -> Request:
    return Request("m", messages or (HI,), protocol, **fields)


def model(*parts: Part) -> Message:
    return Message("assistant", parts)


def user(*parts: Part) -> Message:
    return Message("user", parts)


def turns(request: Request, **capabilities: Any) -> list[Any]:
    contents = encode(request, **capabilities)[0]["contents"]
    return [(turn["role"], turn["parts"]) for turn in contents]


def test_client_provides_its_interface_and_traits() -> None:
    verifyObject(IClientProtocol, CLIENT)
    assert CLIENT.traits.name_pattern.fullmatch("_a.b:c-1")
    assert not CLIENT.traits.name_pattern.fullmatch("1a")
    assert (CLIENT.traits.max_stop, CLIENT.traits.max_choices) == (5, 8)
    assert not CLIENT.traits.parallel_switch
    assert not CLIENT.traits.url_media


def test_the_order_of_keys_is_fixed() -> None:
    request = asked(
        protocol="gemini",
        system=(Text("s"), Text(" ")),
        tools=(FunctionTool("z"), FunctionTool("a")),
        tool_choice=ToolChoice(),
        sampling=Sampling(temperature=0.5),
        extensions={"safetySettings": [], "labels": {}, "generationConfig": {"x": 1}},
    )
    body, losses = encode(request)
    assert list(body) == [
        "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings",
        "labels", "contents",
    ]  # fmt: skip
    assert body["systemInstruction"]["parts"] == [{"text": "s"}]
    assert [f["name"] for f in body["tools"][0]["functionDeclarations"]] == ["a", "z"]
    assert body["generationConfig"] == {"temperature": 0.5, "x": 1}
    assert losses == []


def test_extensions_of_other_protocols_stay_out() -> None:
    body, _ = encode(asked(extensions={"metadata": {"user_id": "x"}}))
    assert list(body) == ["contents"]


def test_roles_alternate_and_the_user_begins() -> None:
    request = asked(
        model(Text("m1")),
        model(Text(" "), Text("(no content)"), Text("m2")),
        user(Text("")),
        user(Text("u1")),
        Message("system", (Text("later"),)),
        user(Text("u2")),
    )
    assert [(role, [p["text"] for p in parts]) for role, parts in turns(request)][1:] == [
        ("model", ["m1", "m2"]),
        ("user", ["u1", "later", "u2"]),
    ]
    assert turns(request)[0][0] == "user"
    with pytest.raises(InvalidRequestError):
        encode(asked(model(Text(" "))))


def test_order_inside_a_model_turn() -> None:
    request = asked(
        HI,
        model(
            ToolCall("1", "f", signature=NATIVE),
            Text("t"),
            Media("image", InlineData("aGk="), "image/png"),
            Thinking("h", NATIVE),
        ),
    )
    parts = turns(request)[1][1]
    assert [next(iter(part)) for part in parts] == ["text", "text", "inlineData", "functionCall"]
    assert parts[0] == {"text": "h", "thought": True, "thoughtSignature": "c2ln"}


def test_signatures_are_sent_on_their_original_parts() -> None:
    own = Signature("b3du", "gemini")
    request = asked(
        HI,
        model(
            Thinking("hm", NATIVE), Text("a", signature=own), Text("", signature=own),
            ToolCall("1", "f"), ToolCall("2", "f"), Thinking("", own), ToolCall("3", "f"),
            Thinking("unsigned"), ToolCall("4", "f", signature=NATIVE),
        ),
    )  # fmt: skip
    parts = turns(request)[1][1]
    assert parts[0] == {"text": "a", "thoughtSignature": "b3du"}
    assert parts[1] == {"text": "", "thoughtSignature": "b3du"}
    calls = {p["functionCall"]["id"]: p.get("thoughtSignature") for p in parts[2:]}
    assert calls == {"1": "c2ln", "2": None, "3": "b3du", "4": "c2ln"}


def test_foreign_signatures_are_dropped_and_lost_ones_replaced() -> None:
    request = asked(
        HI,
        model(Thinking("x", FOREIGN), ToolCall("1", "f", signature=FOREIGN), ToolCall("2", "f")),
        user(ToolResult("1", (Text("a"),)), ToolResult("2", (Text("b"),))),
        model(Thinking(redacted="r"), ToolCall("3", "f")),
    )
    body, losses = encode(request)
    assert "thoughtSignature" not in json.dumps(body)
    assert "messages" in losses
    body, _ = encode(request, requires_signatures=True, signature_sentinel="skip_it")
    found = [
        part.get("thoughtSignature")
        for turn in body["contents"]
        for part in turn["parts"]
        if "functionCall" in part
    ]
    assert found == ["skip_it", None, "skip_it"]
    body, losses = encode(request, requires_signatures=True)
    assert "thoughtSignature" not in json.dumps(body)
    assert losses


def test_tool_calls_and_results() -> None:
    image = Media("image", InlineData("aGk="), "image/png")
    request = asked(
        HI,
        model(
            ToolCall("1", "f", '{"a": 1.0}'), ToolCall("2", "g", "oops"), ToolCall("3", "h", ""),
            ToolCall("4", "h", "text", "custom"),
        ),
        user(
            Text("also"),
            ToolResult("1", (Text('{"ok": 1.0}'), )),
            ToolResult("2", (Text("plain"), image)),
            ToolResult("3", (Text("bad"), Text("worse")), is_error=True),
            ToolResult("4", (), name="other"),
            ToolResult("9", (Text("[1]"),), name="gone"),
        ),
    )  # fmt: skip
    contents = turns(request)
    assert [p["functionCall"] for p in contents[1][1]] == [
        {"id": "1", "name": "f", "args": {"a": 1.0}},
        {"id": "2", "name": "g", "args": {"_raw": "oops"}},
        {"id": "3", "name": "h", "args": {}},
        {"id": "4", "name": "h", "args": {"input": "text"}},
    ]
    parts = contents[2][1]
    assert [p["functionResponse"] for p in parts[:5]] == [
        {"id": "1", "name": "f", "response": {"ok": 1.0}},
        {"id": "2", "name": "g", "response": {"result": "plain"}},
        {"id": "3", "name": "h", "response": {"error": "bad\nworse"}},
        {"id": "4", "name": "h", "response": {"result": ""}},
        {"id": "9", "name": "gone", "response": {"result": "[1]"}},
    ]
    inline = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    label = {"text": "[Media that g returned for 2:]"}
    assert parts[5:] == [{"text": "also"}, label, inline]
    inside = turns(request, media_in_tool_results=True)[2][1]
    assert inside[1]["functionResponse"]["parts"] == [inline]
    assert inside[5:] == [{"text": "also"}]


def test_media_are_encoded() -> None:
    request = asked(
        user(
            Media("image", InlineData("/9j/aa"), detail="low"),
            Media("document", InlineData("aGk="), "application/pdf", title="x"),
            Media("document", FileReference("files/1", "google"), "text/plain"),
            Media("video", UrlSource("https://www.youtube.com/watch?v=x")),
            Opaque("gemini", "part_fields", {"videoMetadata": {"fps": 1}}),
            Opaque("anthropic", "thing", {}),
            Opaque("gemini", "executableCode", {"executableCode": {"code": "1"}}),
        ),
        model(WebSearch("1")),
    )
    body, losses = encode(request, media_resolution=True)
    assert body["contents"][0]["parts"] == [
        {
            "inlineData": {"mimeType": "image/jpeg", "data": "/9j/aa"},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
        },
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        {"fileData": {"mimeType": "text/plain", "fileUri": "files/1"}},
        {
            "videoMetadata": {"fps": 1},
            "fileData": {"fileUri": "https://www.youtube.com/watch?v=x"},
        },
        {"executableCode": {"code": "1"}},
    ]
    assert losses == ["messages"] * 3


@pytest.mark.parametrize(
    "source", [UrlSource("https://example.com/a.png"), FileReference("file_1", "openai")]
)
def test_files_out_of_reach_are_refused(source: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(asked(user(Text("x"), Media("image", source))))
    assert caught.value.param == "$.messages[0].parts[1]"


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}},
    "required": ["n"],
    "additionalProperties": False,
}


def test_code_assist_gets_no_raw_schemas() -> None:
    capabilities = Capabilities("gemini", raw_schema=True)
    target = Target("gemini-x", capabilities, frozenset({"codeassist"}))
    request = asked(
        tools=(FunctionTool("f", "d", SCHEMA), CustomTool("c")),
        response_format=ResponseFormat("schema", schema=SCHEMA),
    )
    body = CLIENT.encode(request, target).body
    assert b"JsonSchema" not in body
    assert body.count(b'"parameters"') == 2
    assert b'"responseSchema"' in body


def test_schemas_raw_or_cleaned() -> None:
    request = asked(
        tools=(FunctionTool("f", "d", SCHEMA), FunctionTool("e", "", {}), CustomTool("c")),
        response_format=ResponseFormat("schema", schema=SCHEMA),
    )
    body, losses = encode(request, raw_schema=True)
    declared = {f["name"]: f for f in body["tools"][0]["functionDeclarations"]}
    assert declared["f"]["parametersJsonSchema"] == SCHEMA
    assert "parameters" not in declared["f"]
    assert body["generationConfig"]["responseJsonSchema"] == SCHEMA
    assert losses == []
    body, losses = encode(request)
    declared = {f["name"]: f for f in body["tools"][0]["functionDeclarations"]}
    cleaned = {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "[Constraint: minimum: 1]"}},
        "required": ["n"],
    }
    assert declared["f"]["parameters"] == cleaned
    assert "parameters" not in declared["e"]
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": cleaned,
    }
    assert losses == ["tools", "response_format"]


def test_hosted_tools_are_encoded() -> None:
    tools = (
        WebSearchTool(max_uses=2),
        HostedTool("code_execution", "anthropic", {"type": "x"}),
        HostedTool("googleMaps", "gemini", {"googleMaps": {}}),
        HostedTool("computer", "openai", {}),
    )
    body, losses = encode(asked(tools=tools))
    assert body["tools"] == [{"googleSearch": {}}, {"codeExecution": {}}, {"googleMaps": {}}]
    assert losses == ["tools", "tools"]
    mixed = asked(tools=(FunctionTool("f"), WebSearchTool()))
    body, losses = encode(mixed)
    assert [next(iter(tool)) for tool in body["tools"]] == ["functionDeclarations"]
    assert losses == ["tools"]
    body, losses = encode(mixed, web_search_with_tools=True)
    assert len(body["tools"]) == 2
    assert losses == []


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice_is_encoded(choice: ToolChoice | None, expected: Any) -> None:
    body, _ = encode(asked(tools=(FunctionTool("f"),), tool_choice=choice))
    assert body.get("toolConfig", {}).get("functionCallingConfig") == expected
    assert "toolConfig" not in encode(asked(tool_choice=choice))[0]


def test_sampling_is_encoded() -> None:
    request = asked(
        sampling=Sampling(0.1, 0.2, 3, 4, 0.5, 0.6, True, 7, 9),
        stop=tuple("abcdef"),
        modalities=("text", "image"),
        image_config={"aspectRatio": "1:1"},
        verbosity="low",
        service_tier="flex",
    )
    body, losses = encode(request)
    assert body["generationConfig"] == {
        "temperature": 0.1, "topP": 0.2, "topK": 3, "seed": 4, "presencePenalty": 0.5,
        "frequencyPenalty": 0.6, "responseLogprobs": True, "logprobs": 7, "candidateCount": 8,
        "stopSequences": list("abcde"), "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "1:1"},
    }  # fmt: skip
    assert set(losses) == {"sampling.n", "stop", "verbosity", "service_tier"}
    body, losses = encode(
        asked(sampling=Sampling(0.1, logprobs=True)), sampling=False, logprobs=False
    )
    assert "generationConfig" not in body
    assert losses == ["sampling", "sampling.logprobs"]


def shown(**config: Any) -> dict[str, Any]:
    """Return a configuration that wants thoughts shown."""
    return {**config, "includeThoughts": True}


BUDGET = {"thinking": "budget", "min_budget": 128, "max_budget": 32768, "default_budget": 0}
LEVEL = {"thinking": "level", "efforts": ("low", "high")}


@pytest.mark.parametrize(
    ("capabilities", "thinking", "expected", "lossy"),
    [
        (BUDGET, ThinkingConfig(), {"includeThoughts": True}, False),
        (BUDGET, ThinkingConfig("on", 5000), shown(thinkingBudget=5000), False),
        (BUDGET, ThinkingConfig("on", 50000), shown(thinkingBudget=32768), True),
        (BUDGET, ThinkingConfig("on", 1), shown(thinkingBudget=128), True),
        (BUDGET, ThinkingConfig("on", effort="minimal"), shown(thinkingBudget=1024), False),
        (BUDGET, ThinkingConfig("on", effort="high"), shown(thinkingBudget=24576), False),
        (BUDGET, ThinkingConfig("on", effort="max"), shown(thinkingBudget=32768), False),
        (BUDGET, ThinkingConfig("adaptive"), shown(thinkingBudget=-1), False),
        (
            BUDGET,
            ThinkingConfig("on", 5000, include=False),
            {"thinkingBudget": 5000, "includeThoughts": False},
            False,
        ),
        (BUDGET, ThinkingConfig("off"), {"thinkingBudget": 128}, True),
        ({**BUDGET, "min_budget": 0}, ThinkingConfig("off"), {"thinkingBudget": 0}, False),
        (
            {**BUDGET, "min_budget": 0},
            ThinkingConfig("on", effort="none"),
            {"thinkingBudget": 0},
            False,
        ),
        (
            {**BUDGET, "default_budget": 9},
            ThinkingConfig("adaptive"),
            shown(thinkingBudget=9),
            False,
        ),
        (LEVEL, ThinkingConfig("on", 1999), shown(thinkingLevel="LOW"), False),
        (LEVEL, ThinkingConfig("on", 7000), shown(thinkingLevel="HIGH"), False),
        (LEVEL, ThinkingConfig("on", effort="medium"), shown(thinkingLevel="HIGH"), True),
        (LEVEL, ThinkingConfig("on", effort="minimal"), shown(thinkingLevel="LOW"), True),
        (LEVEL, ThinkingConfig("on", effort="max"), shown(thinkingLevel="HIGH"), True),
        (LEVEL, ThinkingConfig("adaptive"), {"includeThoughts": True}, False),
        (LEVEL, ThinkingConfig("off"), {"thinkingLevel": "LOW"}, True),
        ({}, ThinkingConfig("on", 5000), None, True),
        ({}, ThinkingConfig(), None, False),
    ],
)
def test_thinking_is_encoded(capabilities: Any, thinking: Any, expected: Any, lossy: bool) -> None:
    body, losses = encode(asked(thinking=thinking), **capabilities)
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected
    assert bool(losses) is lossy


@pytest.mark.parametrize(
    ("limit", "most", "budget", "expected_limit", "expected_budget"),
    [
        (100, 65536, 5000, 13192, 5000),
        (5001, 65536, 5000, 5001, 5000),
        (5000, 6000, 5000, 6000, 5000),
        (100, 4000, 5000, 4000, 2000),
        (128000, 65536, 5000, 65536, 5000),
        (100, None, 5000, 13192, 5000),
    ],
)
def test_the_output_limit_holds_the_thoughts(
    limit: int, most: int | None, budget: int, expected_limit: int, expected_budget: int
) -> None:
    request = asked(thinking=ThinkingConfig("on", budget), max_output_tokens=limit)
    body, losses = encode(request, max_output_tokens=most, **BUDGET)
    config = body["generationConfig"]
    assert config["maxOutputTokens"] == expected_limit
    assert config["thinkingConfig"]["thinkingBudget"] == expected_budget
    assert bool(losses) == (expected_limit != limit)


@patient
@given(
    st.sampled_from(["off", "on", "adaptive", "default"]),
    st.none() | st.integers(0, 100_000),
    st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.none() | st.integers(1, 100_000),
    st.integers(0, 512),
    st.integers(1024, 65536),
    st.none() | st.integers(2000, 65536),
)
def test_thinking_budget_is_within_model_limits(
    mode: Any, budget: Any, effort: Any, limit: Any, least: int, most: int, output: Any
) -> None:
    request = asked(thinking=ThinkingConfig(mode, budget, effort), max_output_tokens=limit)
    body, _ = encode(
        request, thinking="budget", min_budget=least, max_budget=most, max_output_tokens=output
    )
    config = body.get("generationConfig", {})
    given_budget = config.get("thinkingConfig", {}).get("thinkingBudget", -1)
    assert given_budget == -1 or least <= given_budget <= most
    if "maxOutputTokens" in config:
        assert given_budget <= 0 or config["maxOutputTokens"] > given_budget
        assert output is None or config["maxOutputTokens"] <= output


def test_count_request_is_encoded() -> None:
    encoded = CLIENT.encode_count(asked(system=(Text("s"),)), Target("gemini-x"))
    assert encoded is not None
    body = json.loads(encoded.body)["generateContentRequest"]
    assert list(body) == ["model", "systemInstruction", "contents"]
    assert body["model"] == "models/gemini-x"


def test_thinking_before_a_signed_call_does_not_sign_the_next_one() -> None:
    own = Signature("b3du", "gemini")
    request = asked(
        HI, model(Thinking("h", NATIVE), ToolCall("1", "f", signature=own), ToolCall("2", "f"))
    )
    parts = turns(request)[1][1]
    assert [part.get("thoughtSignature") for part in parts] == ["c2ln", "b3du", None]
    assert parts[0]["thought"] is True


def test_duplicate_signature_is_sent_once() -> None:
    request = asked(HI, model(Thinking("h", NATIVE), ToolCall("1", "f", signature=NATIVE)))
    [part] = turns(request)[1][1]
    assert part["thoughtSignature"] == NATIVE.value
    assert "functionCall" in part


def test_claude_model_gets_signed_thinking() -> None:
    claude = Capabilities(family="claude")
    signed = Thinking("h", Signature("c2ln", "claude"))
    request = asked(HI, model(signed, ToolCall("1", "f")), model(Thinking("g", NATIVE)))
    body = json.loads(CLIENT.encode(request, Target("claude-x", claude)).body)
    thought, call = body["contents"][1]["parts"]
    assert thought == {"text": "h", "thought": True, "thoughtSignature": "c2ln"}
    assert "thoughtSignature" not in call


@pytest.mark.parametrize("name", ["responseJsonSchema", "response_json_schema"])
def test_response_schema_of_function_is_raw_only_with_raw_schema_support(name: str) -> None:
    raw = {"type": "object", "properties": {"a": {"const": 1, "type": "integer"}}}
    extensions = {"functionDeclarations": {"f": {name: raw, "behavior": "BLOCKING"}}}
    request = asked(protocol="gemini", tools=(FunctionTool("f", "", None),), extensions=extensions)
    [plain] = encode(request)[0]["tools"][0]["functionDeclarations"]
    assert name not in plain
    assert plain["behavior"] == "BLOCKING"
    assert plain["response"]["type"].lower() == "object"
    assert "const" not in plain["response"]["properties"]["a"]
    [kept] = encode(request, raw_schema=True)[0]["tools"][0]["functionDeclarations"]
    assert kept[name] == raw


HOSTED = (HostedTool("code_execution", "anthropic"), HostedTool("url_context", "anthropic"))
MIXING = Capabilities("gemini", web_search_with_tools=True, hosted_tools_with_functions=True)


@pytest.mark.parametrize(
    ("choice", "mode"),
    [
        (None, None),
        (ToolChoice(), "VALIDATED"),
        (ToolChoice("required"), "ANY"),
        (ToolChoice("none"), "NONE"),
    ],
)
def test_tools_of_google_beside_functions_are_asked_for(
    choice: ToolChoice | None, mode: str | None
) -> None:
    tools = (FunctionTool("f"), *HOSTED, WebSearchTool())
    messages = (Message("user", (Text("hi"),)),)
    request = Request("m", messages, "anthropic", tools=tools, tool_choice=choice)
    encoded = CLIENT.encode(request, Target("m", MIXING))
    body = json.loads(encoded.body)
    names = {name for tool in body["tools"] for name in tool}
    assert names == {"functionDeclarations", "codeExecution", "urlContext", "googleSearch"}
    config = body["toolConfig"]
    assert config["includeServerSideToolInvocations"] is True
    assert config.get("functionCallingConfig", {}).get("mode") == mode
    assert encoded.warnings == ()


def test_tools_of_google_alone_need_no_switch() -> None:
    request = Request("m", (Message("user", (Text("hi"),)),), "anthropic", tools=HOSTED)
    body = json.loads(CLIENT.encode(request, Target("m", MIXING)).body)
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    "target",
    [Target("m", Capabilities("gemini")), Target("m", MIXING, frozenset({"codeassist"}))],
    ids=["older model", "code assist"],
)
def test_tools_of_google_that_do_not_mix_are_left_out_and_named(target: Target) -> None:
    tools = (FunctionTool("f"), *HOSTED, WebSearchTool())
    request = Request("m", (Message("user", (Text("hi"),)),), "anthropic", tools=tools)
    encoded = CLIENT.encode(request, target)
    body = json.loads(encoded.body)
    assert {name for tool in body["tools"] for name in tool} == {"functionDeclarations"}
    assert "toolConfig" not in body
    named = " ".join(loss.detail for loss in encoded.warnings if loss.content)
    for kind in ("code_execution", "url_context", "web search"):
        assert kind in named
