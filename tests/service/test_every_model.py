"""Every model of the table, asked by clients of every protocol, in memory.

The simulator refuses what the services refuse for each model, by its own data.  Translated
requests must suit every model; native ones get exactly the upstream's response.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import ModelsSettings, Settings, UpstreamSettings
from antigravity.routing.capability_table import CapabilityTable, shipped_rules
from tests.service.tool_rounds import ROUNDS
from tests.support.memory_gateway import Answer, MemoryGateway

#: Models by the upstream that serves them.
MODELS: Final = {
    "openai": """
        gpt-3.5-turbo gpt-4 gpt-4-32k gpt-4-turbo gpt-4-0613 gpt-4o gpt-4o-mini gpt-4o-2024-05-13
        gpt-4o-search-preview gpt-4.1 gpt-4.1-mini o1 o1-mini o1-preview o3 o3-mini o4-mini
        o3-pro o1-pro o3-deep-research o4-mini-deep-research gpt-5 gpt-5-mini gpt-5-nano
        gpt-5-pro gpt-5-codex
        gpt-5-chat-latest gpt-5.1 gpt-5.1-2025-11-13 gpt-5.1-codex gpt-5.1-codex-max
        gpt-5.1-codex-mini gpt-5.1-chat-latest gpt-5.2 gpt-5.2-pro gpt-5.2-codex
        gpt-5.3-codex-spark gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-pro
        gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol
        gpt-6.1-terra gpt-6.2-sol codex-mini-latest""",
    "anthropic": """
        claude-3-haiku-20240307 claude-3-5-sonnet-20241022 claude-3-7-sonnet-20250219
        claude-sonnet-4-20250514 claude-opus-4-1 claude-sonnet-4-5 claude-haiku-4-5 claude-opus-4-5
        claude-opus-4-6 claude-sonnet-4-6 claude-opus-4-7 claude-opus-4-8 claude-sonnet-5
        claude-opus-5 claude-fable-5 claude-mythos-5 claude-fable-5-1 claude-fable-5-2
        claude-mythos-5-1 claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5""",
    "gemini": """
        gemini-1.5-pro gemini-2.0-flash gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite
        gemini-3-pro-preview gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite
        gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash
        gemini-4-argon gemini-flash-latest gemini-pro-latest gemma-3-27b-it
        gemini-omni-flash-preview deep-research-preview-04-2026 antigravity-preview-09-2026""",
    "interactions": """
        gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3-pro-preview
        gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite
        gemini-3.6-flash gemini-3.8-flash gemini-4-argon gemini-pro-latest""",
    "deepseek": "deepseek-chat deepseek-reasoner deepseek-v4-flash deepseek-v4-pro",
    "deepseek-anthropic": "deepseek-v4-flash deepseek-v4-pro",
    "moonshot": """
        kimi-k2-0905-preview kimi-k2-thinking kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k3
        kimi-k3.1-pro kimi-latest moonshot-v1-8k moonshot-v1-32k kimi-k2-0711-preview""",
    "zai": """
        glm-4-plus glm-4.5 glm-4.5-air glm-4.5v glm-4.6 glm-4.6v glm-4.7 glm-4.7-flash glm-5
        glm-5-turbo glm-5.1 glm-5.2 glm-5.3 glm-5.3-flash""",
    "zai-anthropic": "glm-4.7 glm-5.1 glm-5.2 glm-5.3",
    "qwen": """
        qwen-max qwen-plus qwen-flash qwen-turbo qwen-vl-max qwen2.5-72b-instruct qwen3-max
        qwen3-32b qwen3-coder-plus qwen3-coder-480b-a35b-instruct qwen3-vl-plus qwen3-omni-flash
        qwen3-next-80b-a3b-thinking qwen3.5-plus qwen3.6-max-preview qwen3.7-max qwq-plus""",
    "minimax": "minimax-m1 minimax-m2 minimax-m2.5 minimax-m2.7-highspeed minimax-m3",
    "mistral": """
        mistral-large-2411 mistral-large-2512 mistral-medium-2505 mistral-medium-2508
        mistral-medium-3-5 mistral-small-2506 mistral-small-2603 mistral-small-latest
        ministral-8b-latest magistral-medium-latest magistral-small-2506 devstral-2507
        devstral-medium-2507 devstral-2512 codestral-latest pixtral-large-latest""",
    "xai": """
        grok-2-vision-1212 grok-3 grok-3-mini grok-4 grok-4-fast-reasoning
        grok-4-fast-non-reasoning grok-4.1-fast grok-4.20-reasoning grok-4.20-multi-agent grok-4.3
        grok-4.5 grok-5 grok-code-fast-1 grok-build-0.1""",
    "local": """
        gpt-oss-20b gpt-oss-120b deepseek-r1 deepseek-v3-0324 deepseek-v3.1 deepseek-coder-v2
        deepseek-vl2 llama-3.3-70b-instruct unknown-model kimi-for-coding doubao-seed-1.6
        doubao-seed-1.6-thinking""",
}
BASES: Final = {
    "openai": ("openai", "https://api.openai.com/v1"),
    "anthropic": ("anthropic", "https://api.anthropic.com"),
    "gemini": ("gemini_api", "https://generativelanguage.googleapis.com"),
    "interactions": ("gemini_api", "https://generativelanguage.googleapis.com"),
    "deepseek": ("openai", "https://api.deepseek.com"),
    "deepseek-anthropic": ("anthropic", "https://api.deepseek.com/anthropic"),
    "moonshot": ("openai", "https://api.moonshot.ai/v1"),
    "zai": ("openai", "https://api.z.ai/api/paas/v4"),
    "zai-anthropic": ("anthropic", "https://api.z.ai/api/anthropic"),
    "qwen": ("openai", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "minimax": ("openai", "https://api.minimax.io/v1"),
    "mistral": ("openai", "https://api.mistral.ai/v1"),
    "xai": ("openai", "https://api.x.ai/v1"),
    "local": ("openai", "http://vllm.internal:8000/v1"),
}
#: Rules about models that answer nothing but media, vectors or searches.
OTHERS: Final = (
    "embed", "image", "imagen", "tts", "transcribe", "whisper", "audio", "dall-e", "sonar", "ocr",
    "computer-use", "search", "bge", "gemini-pro-agent", "mimo", "grok-*non", "qwen*", "gpt-*-pro",
)  # fmt: skip
SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
FORM: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
HI: Final = "How is the weather?"
PREFILL: Final = "It is"


def chat_cases() -> dict[str, dict[str, Any]]:
    """Return the requests of a client of chat completions."""
    user = {"role": "user", "content": HI}
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    named = {"type": "function", "function": {"name": "f"}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": FORM, "strict": True}}
    plain: dict[str, Any] = {"messages": [user], "max_completion_tokens": 30_000}
    return {
        "plain": plain,
        "tools": {**plain, "tools": [tool], "parallel_tool_calls": False},
        "forced": {**plain, "tools": [tool], "tool_choice": "required"},
        "named": {**plain, "tools": [tool], "tool_choice": named, "reasoning_effort": "high"},
        "off": {**plain, "reasoning_effort": "none", "tools": [tool]},
        "highest": {**plain, "reasoning_effort": "max", "tools": [tool]},
        "minimal": {**plain, "reasoning_effort": "minimal"},
        "sampling": {
            **plain,
            "temperature": 0.5,
            "top_p": 0.9,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.5,
            "seed": 1,
            "stop": ["a", "b"],
            "logprobs": True,
            "top_logprobs": 2,
            "verbosity": "low",
        },
        "cool": {**plain, "temperature": 1.5, "reasoning_effort": "none"},
        "prefill": {**plain, "messages": [user, {"role": "assistant", "content": PREFILL}]},
        "schema": {**plain, "response_format": form},
        "json": {**plain, "response_format": {"type": "json_object"}},
    }


def responses_cases() -> dict[str, dict[str, Any]]:
    """Return the requests of a client of responses."""
    tool = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}
    plain: dict[str, Any] = {"input": HI, "max_output_tokens": 30_000}
    text = {"format": {"type": "json_schema", "name": "x", "schema": FORM, "strict": True}}
    said = {"role": "assistant", "content": PREFILL}
    return {
        "plain": plain,
        "tools": {**plain, "tools": [tool], "parallel_tool_calls": False},
        "forced": {**plain, "tools": [tool], "tool_choice": "required"},
        "named": {**plain, "tools": [tool], "tool_choice": {"type": "function", "name": "f"}},
        "off": {**plain, "reasoning": {"effort": "none"}, "tools": [tool]},
        "highest": {**plain, "reasoning": {"effort": "max", "summary": "auto"}, "tools": [tool]},
        "sampling": {**plain, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2},
        "prefill": {**plain, "input": [{"role": "user", "content": HI}, said]},
        "schema": {**plain, "text": text},
    }


def anthropic_cases() -> dict[str, dict[str, Any]]:
    """Return the requests of a client of Anthropic messages."""
    user = {"role": "user", "content": HI}
    tool = {"name": "f", "input_schema": SCHEMA}
    plain: dict[str, Any] = {"messages": [user], "max_tokens": 30_000}
    form = {"format": {"type": "json_schema", "schema": FORM}}
    return {
        "plain": plain,
        "tools": {**plain, "tools": [tool]},
        "forced": {**plain, "tools": [tool], "tool_choice": {"type": "any"}},
        "named": {**plain, "tools": [tool], "tool_choice": {"type": "tool", "name": "f"}},
        "off": {**plain, "thinking": {"type": "disabled"}, "tools": [tool]},
        "budget": {**plain, "thinking": {"type": "enabled", "budget_tokens": 20_000}},
        "highest": {
            **plain,
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "max"},
            "tools": [tool],
        },
        "sampling": {**plain, "temperature": 0.5, "top_k": 5, "stop_sequences": ["a", "b"]},
        "prefill": {**plain, "messages": [user, {"role": "assistant", "content": PREFILL}]},
        "schema": {**plain, "output_config": form},
    }


def gemini_cases() -> dict[str, dict[str, Any]]:
    """Return the requests of a client of Gemini."""
    user = {"role": "user", "parts": [{"text": HI}]}
    tools = [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]

    def request(**config: Any) -> dict[str, Any]:
        return {"contents": [user], "generationConfig": {"maxOutputTokens": 30_000, **config}}

    def calling(mode: str, **more: Any) -> dict[str, Any]:
        return {"functionCallingConfig": {"mode": mode, **more}}

    return {
        "plain": request(),
        "tools": {**request(), "tools": tools},
        "forced": {**request(), "tools": tools, "toolConfig": calling("ANY")},
        "named": {
            **request(),
            "tools": tools,
            "toolConfig": calling("ANY", allowedFunctionNames=["f"]),
        },
        "off": request(thinkingConfig={"thinkingBudget": 0}),
        "highest": {**request(thinkingConfig={"thinkingLevel": "HIGH"}), "tools": tools},
        "sampling": request(
            temperature=0.5, topP=0.9, topK=5, presencePenalty=0.5, seed=1, stopSequences=["a"]
        ),
        "prefill": {
            **request(),
            "contents": [user, {"role": "model", "parts": [{"text": PREFILL}]}],
        },
        "schema": request(responseMimeType="application/json", responseJsonSchema=FORM),
    }


def interactions_cases() -> dict[str, dict[str, Any]]:
    """Return the requests of a client of interactions."""
    tool = {"type": "function", "name": "f", "parameters": SCHEMA}
    form = {"type": "text", "mime_type": "application/json", "schema": FORM}

    def request(**config: Any) -> dict[str, Any]:
        return {"input": HI, "generation_config": {"max_output_tokens": 30_000, **config}}

    named = {"allowed_tools": {"mode": "any", "tools": ["f"]}}
    said = {"type": "model_output", "content": [{"type": "text", "text": PREFILL}]}
    user = {"type": "user_input", "content": [{"type": "text", "text": HI}]}
    return {
        "plain": request(),
        "tools": {**request(), "tools": [tool]},
        "forced": {**request(tool_choice="any"), "tools": [tool]},
        "named": {**request(tool_choice=named), "tools": [tool]},
        "off": request(thinking_level="minimal"),
        "highest": {
            **request(thinking_level="xhigh", thinking_summaries="auto"),
            "tools": [tool],
        },
        "sampling": request(temperature=0.5, top_p=0.9, seed=1, stop_sequences=["a"]),
        "prefill": {**request(), "input": [user, said]},
        "schema": {**request(), "response_format": form},
    }


CASES: Final = {
    "openai_chat": chat_cases(),
    "openai_responses": responses_cases(),
    "anthropic": anthropic_cases(),
    "gemini": gemini_cases(),
    "gemini_interactions": interactions_cases(),
}


#: And the members of streams that say that they are whole.
ENDS: Final = {
    "openai_chat": b"[DONE]",
    "openai_responses": b"response.completed",
    "anthropic": b"message_stop",
    "gemini": b'"finishReason":"STOP"',
    "gemini_interactions": b"interaction.completed",
}


def walked() -> list[tuple[str, str]]:
    """Return every model with its upstream."""
    return [(name, model) for name, models in MODELS.items() for model in models.split()]


def upstream(name: str, **more: Any) -> UpstreamSettings:
    kind, base = BASES[name]
    return UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")], **more)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> MemoryGateway:
    upstreams = {name: upstream(name, apis=["chat"]) for name in BASES}
    upstreams["openai"] = upstream("openai", apis=["chat", "responses"])
    upstreams["interactions"] = upstream("interactions", quirks=["no_generate_content"])
    home: Path = tmp_path_factory.mktemp("home")
    return MemoryGateway(Settings(upstreams=upstreams), home)


def ask(gateway: MemoryGateway, client: str, model: str, body: dict[str, Any]) -> Answer:
    """Ask, and check that one request to the upstream was enough.

    One that passes through is repeated only without what the upstream has refused.
    """
    before = len(gateway.transport.sent)
    answer = gateway.ask(client, model, body)
    *refused, _ = [each.status for each in gateway.transport.received[before:]]
    if gateway.records[-1].attempts[-1].passed_through:
        assert len(refused) <= 3, (client, model, body, answer.body)
        assert {400, 422}.issuperset(refused), (client, model, body, answer.body)
    else:
        assert not refused, (client, model, body, answer.body)
    return answer


def without(body: dict[str, Any], gateway: MemoryGateway) -> dict[str, Any]:
    """Return a body as the last record says that it was changed: members left out or renamed."""
    kept = json.loads(json.dumps(body))
    for loss in gateway.records[-1].warnings:
        outer, _, name = loss.field.rpartition(".")
        holder = kept[outer] if outer else kept
        value = holder.pop(name)
        if not holder:  # nothing is left of settings in a member
            del kept[outer]
        if loss.detail.startswith("renamed to "):
            holder[loss.detail.split()[2].rstrip(":")] = value
    return kept


@pytest.mark.parametrize(("name", "model"), walked())
def test_every_client_can_stream_after_a_round_of_tools_with_an_image(
    gateway: MemoryGateway, name: str, model: str
) -> None:
    for client, body in ROUNDS.items():
        answer = gateway.ask(client, f"{name}/{model}", body)
        sent = gateway.transport.sent[-1]
        if gateway.records[-1].attempts[-1].passed_through:
            received = gateway.transport.received[-1]
            assert (answer.status, answer.body) == (received.status, received.body)
            continue
        assert answer.status == 200, (client, answer.body, sent.body)
        if len(gateway.records[-1].attempts) == 1:
            assert b"Result: Sunny." in answer.body, (client, answer.body)
        else:  # without a signature, Gemini's interactions take the call as text only
            assert client == "gemini_interactions", answer.body
            assert name in ("gemini", "interactions"), answer.body
            assert b"Sunny." in answer.body, answer.body
        assert ENDS[client] in answer.body, (client, answer.body)


@pytest.mark.parametrize(("name", "model"), walked())
def test_every_client_can_use_every_model(gateway: MemoryGateway, name: str, model: str) -> None:
    for client, cases in CASES.items():
        for case, body in cases.items():
            answer = ask(gateway, client, f"{name}/{model}", body)
            sent = gateway.transport.sent[-1]
            if gateway.records[-1].attempts[-1].passed_through:
                received = gateway.transport.received[-1]
                assert (answer.status, answer.body) == (received.status, received.body)
                assert isinstance(sent.body, bytes)
                served = {**body, "model": model} if client != "gemini" else body
                assert json.loads(sent.body) == without(served, gateway), (client, case)
            else:
                assert answer.status == 200, (client, case, answer.body, sent.body)


def test_wrong_data_about_models_is_noticed(tmp_path: Path) -> None:
    rules = """
        [[model]]
        match = ["claude-*", "gpt-*", "gemini-*", "kimi-*", "grok-*", "glm-*"]
        sampling = true
        sampling_without_thinking = true
        prefill = true
        forced_tools = true
        penalties = true
        min_budget = 0
    """
    (tmp_path / "wrong.toml").write_text(rules)
    names = ("openai", "anthropic", "gemini", "moonshot", "xai", "zai")
    upstreams = {name: upstream(name, apis=["chat"]) for name in names}
    files = ModelsSettings(files=[str(tmp_path / "wrong.toml")])
    gateway = MemoryGateway(Settings(upstreams=upstreams, models=files), tmp_path)
    for case, model in (
        ("sampling", "anthropic/claude-opus-5"),
        ("prefill", "anthropic/claude-sonnet-5"),
        ("named", "anthropic/claude-opus-5-5"),
        ("off", "anthropic/claude-fable-5"),
        ("prefill", "gemini/gemini-3.6-flash"),
        ("sampling", "gemini/gemini-2.5-flash"),
        ("sampling", "openai/gpt-5.5"),
        ("sampling", "moonshot/kimi-k3"),
        ("sampling", "xai/grok-4"),
        ("off", "zai/glm-5.3"),
    ):
        client = "openai_chat" if model.startswith(("anth", "gem")) else "anthropic"
        if model.startswith(("openai", "xai")):
            client = "gemini"
        before = len(gateway.transport.received)
        gateway.ask(client, model, CASES[client][case])
        first = gateway.transport.received[before]
        assert first.status == 400, (case, model, gateway.transport.sent[before].body)


def test_walk_reaches_every_rule_about_models_that_chat() -> None:
    table = CapabilityTable(shipped_rules())
    reached = {rule.number for _, model in walked() for rule in table.rules_for(model)}
    missed = [
        rule.match
        for rule in shipped_rules()
        if rule.number not in reached
        and not any(word in pattern for word in OTHERS for pattern in rule.match)
    ]
    assert missed == []
