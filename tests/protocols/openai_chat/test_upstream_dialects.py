"""Requests for the many servers that speak chat completions, each in the form that it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Target, within
from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.tools import FunctionTool, ToolChoice
from antigravity.lowering.pipeline import lower
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.routing.capability_table import load_table
from antigravity.upstreams.addresses import parse_base
from antigravity.upstreams.quirks import resolve_quirks

CLIENT = OPENAI_CHAT_CLIENT
TABLE = load_table([])
ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com",
    "moonshot": "https://api.moonshot.ai/v1",
    "zai": "https://api.z.ai/api/paas/v4",
    "groq": "https://api.groq.com/openai/v1",
    "perplexity": "https://api.perplexity.ai",
    "qwen": "https://dashscope.aliyuncs.com/compatible-mode/v1",
    "minimax": "https://api.minimax.io/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "ollama": "http://127.0.0.1:11434/v1",
    "unknown": "https://llm.example.com/v1",
}
TOOL = FunctionTool("f", "", {"type": "object", "properties": {"a": {"type": "string"}}}, True)
SCHEMA = {"type": "object", "properties": {}}


def sent(where: str, model: str, **fields: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the body that an upstream gets, and the fields that were lost."""
    quirks = resolve_quirks((), [parse_base(ADDRESSES[where], "base_url")])
    target = Target(model, within(TABLE.capabilities(model), quirks), quirks)
    fields.setdefault("messages", (Message("user", (Text("hi"),)),))
    lowered = lower(Request(model, protocol="anthropic", **fields), CLIENT.traits, target)
    encoded = CLIENT.encode(lowered.request, target)
    return json.loads(encoded.body), {loss.field for loss in lowered.losses + encoded.warnings}


@pytest.mark.parametrize(
    ("where", "model", "name"),
    [
        ("openai", "gpt-4.1", "max_completion_tokens"),
        ("mistral", "mistral-large-latest", "max_tokens"),
        ("deepseek", "deepseek-chat", "max_tokens"),
        ("moonshot", "kimi-k2.5", "max_completion_tokens"),
        ("zai", "glm-4.7", "max_tokens"),
        ("groq", "llama-3.3-70b", "max_completion_tokens"),
        ("ollama", "gpt-oss:20b", "max_tokens"),
        ("openrouter", "openai/gpt-5.1:free", "max_completion_tokens"),
        ("unknown", "gpt-5.1", "max_completion_tokens"),
        ("unknown", "o3", "max_completion_tokens"),
        ("unknown", "mistral-large-latest", "max_tokens"),
    ],
)
def test_limit_has_the_name_that_upstream_or_model_supports(
    where: str, model: str, name: str
) -> None:
    body, _ = sent(where, model, max_output_tokens=9)
    assert body[name] == 9
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1


def test_mistral_gets_supported_fields_only() -> None:
    body, lost = sent(
        "mistral",
        "mistral-large-latest",
        messages=(
            Message("user", (Text("hi"),), "me"),
            Message("assistant", (ToolCall("call_1", "f", "{}"),)),
            Message("user", (ToolResult("call_1", (Text("r"),)),)),
        ),
        sampling=Sampling(seed=3, logprobs=True, top_logprobs=2),
        user="u",
        service_tier="flex",
        verbosity="low",
        tools=(TOOL,),
    )
    known = {"model", "messages", "stream", "tools", "random_seed"}
    assert set(body) == known
    assert "name" not in body["messages"][0]
    (call,) = body["messages"][1]["tool_calls"]
    assert len(call["id"]) == 9
    assert body["messages"][2]["tool_call_id"] == call["id"]
    assert {"sampling.logprobs", "service_tier", "verbosity"} <= lost


@pytest.mark.parametrize("where", ["moonshot", "zai", "qwen", "minimax"])
def test_forced_calls_become_an_instruction(where: str) -> None:
    body, lost = sent(
        where, "some-model", tools=(TOOL,), tool_choice=ToolChoice("required", ("f",))
    )
    assert body["tool_choice"] == "auto"
    assert "the tool f" in body["messages"][0]["content"]
    assert "tool_choice" in lost
    assert "strict" not in body["tools"][0]["function"]
    assert "tools.f.strict" in lost


def test_choice_none_omits_tools_where_unsupported() -> None:
    choice = ToolChoice("none")
    assert "tools" not in sent("zai", "glm-4.7", tools=(TOOL,), tool_choice=choice)[0]
    assert sent("mistral", "m", tools=(TOOL,), tool_choice=choice)[0]["tool_choice"] == "none"


def test_choice_among_some_tools_declares_only_those() -> None:
    tools = (TOOL, FunctionTool("g"))
    choice = ToolChoice("auto", ("g",))
    body, _ = sent("mistral", "m", tools=tools, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    body, _ = sent("openai", "gpt-5.1", tools=tools, tool_choice=choice)
    assert body["tool_choice"]["type"] == "allowed_tools"


def test_schemas_become_json_mode_with_an_instruction() -> None:
    form = ResponseFormat("schema", schema={"type": "object", "title": "Answer"})
    body, lost = sent("deepseek", "deepseek-chat", response_format=form)
    assert body["response_format"] == {"type": "json_object"}
    assert '"title":"Answer"' in body["messages"][0]["content"]
    assert "response_format" in lost
    body, _ = sent("openai", "gpt-5.1", response_format=form)
    assert body["response_format"]["type"] == "json_schema"
    body, lost = sent("perplexity", "sonar", response_format=ResponseFormat("json"))
    assert "response_format" not in body
    assert "JSON" in body["messages"][0]["content"]
    assert "response_format" in lost


@pytest.mark.parametrize(
    ("where", "model", "thinking", "expected"),
    [
        ("deepseek", "deepseek-v4-pro", ThinkingConfig("off"), {"thinking": {"type": "disabled"}}),
        (
            "deepseek",
            "deepseek-v4-pro",
            ThinkingConfig("on", effort="xhigh"),
            {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        ),
        ("moonshot", "kimi-k2.6", ThinkingConfig("on"), {"thinking": {"type": "enabled"}}),
        ("moonshot", "kimi-k2-thinking", ThinkingConfig("off"), {}),
        ("zai", "glm-4.7", ThinkingConfig("off"), {"thinking": {"type": "disabled"}}),
        ("zai", "glm-4.7", ThinkingConfig(), {}),
        (
            "qwen",
            "qwen3-max",
            ThinkingConfig("on", 2048),
            {"enable_thinking": True, "thinking_budget": 2048},
        ),
        ("qwen", "qwen3-max", ThinkingConfig("off"), {"enable_thinking": False}),
        ("qwen", "qwen3-coder-plus", ThinkingConfig("on"), {}),
        ("unknown", "qwen3-max", ThinkingConfig("on", 2048), {}),
        ("ollama", "qwen3:8b", ThinkingConfig("on", 9000), {"reasoning_effort": "high"}),
        (
            "unknown",
            "gpt-oss-120b",
            ThinkingConfig("on", effort="max"),
            {"reasoning_effort": "high"},
        ),
        ("groq", "moonshotai/kimi-k2-instruct", ThinkingConfig("on", effort="low"), {}),
    ],
)
def test_thinking_is_sent_in_field_of_upstream(
    where: str, model: str, thinking: ThinkingConfig, expected: dict[str, Any]
) -> None:
    body, _ = sent(where, model, thinking=thinking)
    fields = ("thinking", "reasoning_effort", "enable_thinking", "thinking_budget")
    assert {name: body[name] for name in fields if name in body} == expected


def test_temperature_ends_where_the_upstream_says() -> None:
    body, lost = sent("zai", "glm-4.7", sampling=Sampling(1.5))
    assert body["temperature"] == 1
    assert "sampling.temperature" in lost
    assert sent("openai", "gpt-4.1", sampling=Sampling(1.5))[0]["temperature"] == 1.5


def test_usage_is_asked_for_where_that_is_taken() -> None:
    for where in ("openai", "deepseek", "qwen", "unknown"):
        body = sent(where, "m", stream=True)[0]
        assert body["stream_options"] == {"include_usage": True}
    for where in ("mistral", "zai", "perplexity"):
        assert "stream_options" not in sent(where, "m", stream=True)[0]
    assert "stream_options" not in sent("openai", "m")[0]


def test_one_stop_sequence_is_sent_and_the_others_are_applied_by_the_gateway() -> None:
    body, lost = sent("zai", "glm-4.7", stop=("a", "b"))
    assert body["stop"] == ["a"]
    assert "stop" not in lost


def test_instructions_alone_get_a_turn_of_the_user_but_at_openai() -> None:
    system = (Text("Say hello."),)
    for where, model in (("mistral", "m"), ("unknown", "llama"), ("qwen", "qwen3-max")):
        body, lost = sent(where, model, messages=(), system=system)
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert "messages" in lost
    body, _ = sent("openai", "gpt-5.1", messages=(), system=system)
    assert [message["role"] for message in body["messages"]] == ["system"]


def test_any_field_can_be_refused_by_its_name() -> None:
    target = Target("m", TABLE.capabilities("m"), frozenset(("no_temperature", "no_messages")))
    asked = Request("m", (Message("user", (Text("hi"),)),), "gemini", sampling=Sampling(0.5))
    encoded = CLIENT.encode(asked, target)
    assert "temperature" not in json.loads(encoded.body)
    assert "messages" in json.loads(encoded.body)
    assert [loss.field for loss in encoded.warnings] == ["temperature"]


def test_sampling_is_sent_only_without_thinking() -> None:
    for model, thinking, taken in (
        ("gpt-5.1", ThinkingConfig(), True),
        ("gpt-5.1", ThinkingConfig("on", effort="low"), False),
        ("gpt-5.5", ThinkingConfig(), False),
        ("gpt-5.5", ThinkingConfig("off"), True),
        ("gpt-5", ThinkingConfig(), False),
        ("grok-4.3", ThinkingConfig(), True),
    ):
        body, lost = sent("unknown", model, thinking=thinking, sampling=Sampling(0.5))
        assert ("temperature" in body) is taken, (model, thinking)
        assert ("sampling.temperature" in lost) is not taken
    body, _ = sent("unknown", "grok-4.3", sampling=Sampling(presence_penalty=0.5))
    assert "presence_penalty" not in body


def test_model_can_refuse_a_field_that_others_support() -> None:
    for model, taken in (("o3", False), ("gpt-4.1", True)):
        body, _ = sent("unknown", model, tools=(TOOL,), parallel_tool_calls=False)
        assert ("parallel_tool_calls" in body) is taken


@pytest.mark.parametrize("parts", [(), (Text(""),)], ids=["no part", "empty text"])
def test_messages_are_never_an_empty_list(parts: tuple[Text, ...]) -> None:
    body, lost = sent("openai", "gpt-4o", messages=(Message("user", parts),))
    assert body["messages"]
    if not parts:
        assert body["messages"] == [{"role": "user", "content": "Continue."}]
        assert "messages" in lost


@pytest.mark.parametrize(
    ("where", "model", "effort"),
    [
        ("ollama", "qwen3:8b", "none"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "none"),
        ("gemini", "gemini-2.5-flash", "none"),
        ("gemini", "gemini-2.5-pro", "low"),
        ("openai", "o3", "low"),
        ("groq", "openai/gpt-oss-120b", "low"),
        ("mistral", "mistral-medium-3-5", "none"),
        ("unknown", "llama-3.3-70b", None),
    ],
)
def test_thinking_that_is_off_is_off_where_the_upstream_can(
    where: str, model: str, effort: str | None
) -> None:
    body, _ = sent(where, model, thinking=ThinkingConfig("off"))
    assert body.get("reasoning_effort") == effort


@pytest.mark.parametrize(("where", "named"), [("zai", False), ("groq", False), ("openai", True)])
def test_results_name_their_function_only_where_messages_may_have_names(
    where: str, named: bool
) -> None:
    messages = (
        Message("user", (Text("hi"),)),
        Message("assistant", (ToolCall("c", "f", "{}"),)),
        Message("user", (ToolResult("c", (Text("ok"),), "f"),)),
    )
    body, _ = sent(where, "m", messages=messages)
    assert ("name" in body["messages"][-1]) is named


def test_functions_without_parameters_get_empty_ones() -> None:
    body, _ = sent("mistral", "mistral-large-latest", tools=(FunctionTool("f"),))
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


TURNS = (
    Message("user", (Text("hi"),)),
    Message("assistant", (ToolCall("c", "f", "{}"),)),
    Message("user", (ToolResult("c", (Text("ok"),), "f"), Text("go"))),
)


@pytest.mark.parametrize(("where", "roles"), [
    ("mistral", ["user", "assistant", "tool", "assistant", "user"]),
    ("openai", ["user", "assistant", "tool", "user"]),
])  # fmt: skip
def test_user_follows_results_of_tools_only_where_that_is_taken(
    where: str, roles: list[str]
) -> None:
    body, _ = sent(where, "m", messages=TURNS)
    assert [message["role"] for message in body["messages"]] == roles


@pytest.mark.parametrize(
    ("where", "model", "end"),
    [
        ("mistral", "mistral-large-latest", {"content": "{", "prefix": True}),
        ("moonshot", "kimi-k2.5", {"content": "{", "partial": True}),
        ("qwen", "qwen-plus", {"content": "{", "partial": True}),
        ("unknown", "new-model", {"content": "{"}),
        ("openai", "gpt-4o", {"content": "{"}),
        ("deepseek", "deepseek-v4", None),
        ("perplexity", "sonar-pro", None),
        ("openrouter", "anthropic/claude-opus-4.6", None),
    ],
)
def test_prefill_is_marked_or_dropped_by_upstream_quirk(
    where: str, model: str, end: dict[str, Any] | None
) -> None:
    messages = (Message("user", (Text("hi"),)), Message("assistant", (Text("{"),)))
    body, lost = sent(where, model, messages=messages)
    if end is None:
        assert [message["role"] for message in body["messages"]] == ["user"]
        assert "messages" in lost
    else:
        assert body["messages"][-1] == {"role": "assistant", **end}


@pytest.mark.parametrize(
    ("where", "model", "arguments", "expected"),
    [
        ("groq", "m", "not json", '{"raw":"not json"}'),
        ("deepseek", "deepseek-v4", "[1]", '{"raw":"[1]"}'),
        ("deepseek", "deepseek-v4", "", "{}"),
        ("unknown", "m", '{"a": 1}', '{"a": 1}'),
        ("unknown", "m", "\ud800", '{"raw":"\ufffd"}'),
        ("openai", "gpt-4o", "not json", "not json"),
    ],
)
def test_arguments_in_the_history_are_objects_for_servers_that_read_them(
    where: str, model: str, arguments: str, expected: str
) -> None:
    call = Message("assistant", (ToolCall("c", "f", arguments),))
    result = Message("user", (ToolResult("c", (Text("ok"),)),))
    body, _ = sent(where, model, messages=(TURNS[0], call, result))
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == expected
