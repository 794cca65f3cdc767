"""What the lists of upstreams say about their models goes before the shipped data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import ModelsSettings, Settings, UpstreamSettings
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.anthropic.client_models import decode_models as decode_anthropic
from antigravity.protocols.gemini.client_reply import decode_models as decode_gemini
from antigravity.protocols.openai_chat.client_reply import decode_models as decode_chat
from antigravity.protocols.openai_responses.client_reply import decode_models as decode_responses
from antigravity.routing.capability_table import CapabilityTable, load_table, parse_rules
from antigravity.routing.reported_capabilities import find_reported, reported_by_list
from tests.support.memory_gateway import Answer, MemoryGateway

TABLE = load_table([])


def reported(decode: Any, entry: dict[str, Any], table: CapabilityTable = TABLE) -> Capabilities:
    """Return the capabilities of a model with an entry in a list."""
    name = "models" if decode is decode_gemini else "data"
    (model,) = decode(json.dumps({name: [entry]}).encode())
    return table.capabilities(model.id, reported_by_list(model))


def support(**values: bool) -> dict[str, Any]:
    return {name: {"supported": value} for name, value in values.items()}


def test_anthropic_capabilities_replace_those_of_the_name() -> None:
    entry = {
        "id": "claude-opus-9-9",
        "max_input_tokens": 2_000_000,
        "max_tokens": 256_000,
        "capabilities": {
            "thinking": {
                "supported": True,
                "types": support(adaptive=True, enabled=False, disabled=False, between_tools=True),
            },
            "effort": {"supported": True, **support(low=True, medium=True, high=True, max=False)},
            **support(image_input=True, pdf_input=False, structured_outputs=False),
            "server_tools": {"supported": True, **support(web_search=False)},
        },
    }
    found = reported(decode_anthropic, entry)
    assert (found.context_window, found.max_output_tokens) == (2_000_000, 256_000)
    assert (found.thinking, found.thinking_off, found.min_budget) == (
        "adaptive",
        "between_tools",
        0,
    )
    assert found.efforts == ("low", "medium", "high")
    assert (found.inputs, found.reads("document")) == (("image",), False)
    assert (found.structured_output, found.web_search) == (False, False)
    assert not found.forced_tools  # from the table: the list does not say it


def test_anthropic_model_that_always_thinks_or_never() -> None:
    never = support(adaptive=True, enabled=False, disabled=False, between_tools=False)
    thinking = {"supported": True, "types": never}
    found = reported(decode_anthropic, {"id": "claude-x-9", "capabilities": {"thinking": thinking}})
    assert found.min_budget == 1
    off = {"thinking": {"supported": False}, "effort": {"supported": False}}
    found = reported(decode_anthropic, {"id": "claude-opus-5", "capabilities": off})
    assert (found.thinking, found.efforts) == ("none", ())


@pytest.mark.parametrize(
    "capabilities",
    [None, [], {}, {"thinking": 1, "effort": [], "image_input": True, "server_tools": None},
     {"thinking": {"supported": "yes", "types": {"adaptive": None}}, "effort": {}}],
)  # fmt: skip
def test_malformed_capabilities_are_ignored(capabilities: Any) -> None:
    entry = {"id": "claude-opus-5", "capabilities": capabilities}
    assert reported(decode_anthropic, entry) == TABLE.capabilities("claude-opus-5")


@pytest.mark.parametrize("decode", [decode_chat, decode_responses])
def test_openrouter_entry_replaces_those_of_the_name(decode: Any) -> None:
    entry = {
        "id": "acme/new-7b:free",
        "context_length": 50_000,
        "top_provider": {"max_completion_tokens": 9_000},
        "architecture": {"input_modalities": ["text", "image", "file"]},
        "supported_parameters": ["max_tokens", "temperature", "tools", "reasoning", "stop"],
        "reasoning": {"mandatory": True, "supported_efforts": ["high", "low"]},
    }
    found = reported(decode, entry)
    assert (found.context_window, found.max_output_tokens) == (50_000, 9_000)
    assert (found.inputs, found.reads("video")) == (("image", "document"), False)
    assert (found.sampling, found.penalties, found.logprobs) == (True, False, False)
    assert (found.tools, found.forced_tools, found.structured_output) == (True, False, False)
    assert (found.thinking, found.efforts, found.min_budget) == ("level", ("low", "high"), 1)
    assert set(found.fields) == {"no_seed", "no_parallel_tool_calls", "no_logit_bias"}


def test_openrouter_keeps_what_its_list_cannot_say() -> None:
    names = ["tools", "tool_choice", "reasoning", "structured_outputs"]
    entry = {"id": "anthropic/claude-opus-5.5", "supported_parameters": names}
    found = reported(decode_chat, entry)
    assert (found.thinking, found.forced_tools, found.sampling) == ("adaptive", False, False)


def test_limits_and_capabilities_of_other_services() -> None:
    mistral = {"id": "m", "max_context_length": 9, "capabilities": {
        "function_calling": False, "vision": False, "reasoning": True}}  # fmt: skip
    found = reported(decode_chat, mistral)
    assert (found.context_window, found.tools, found.thinking) == (9, False, "level")
    assert not found.reads("image")
    kimi = {"id": "kimi-x", "context_length": 7, "supports_image_in": True,
            "supports_video_in": False, "supports_reasoning": False}  # fmt: skip
    found = reported(decode_chat, kimi)
    assert (found.context_window, found.inputs, found.thinking) == (7, ("image",), "none")
    assert reported(decode_chat, {"id": "local", "max_model_len": 5}).context_window == 5
    for wrong in (True, -1, "9", 0, None):
        assert reported(decode_chat, {"id": "x", "context_length": wrong}).context_window is None


def test_gemini_list_says_limits_and_thinking() -> None:
    entry = {
        "name": "models/gemini-9-flash",
        "inputTokenLimit": 5,
        "outputTokenLimit": 3,
        "thinking": False,
    }
    found = reported(decode_gemini, entry)
    assert (found.context_window, found.max_output_tokens, found.thinking) == (5, 3, "none")
    entry = {"name": "models/gemini-2.5-flash", "thinking": True}
    assert reported(decode_gemini, entry).thinking == "budget"
    assert reported(decode_gemini, {"name": "models/nano-1", "thinking": True}).thinking == "level"


def test_rules_of_the_operator_go_before_the_list() -> None:
    own = parse_rules('[[model]]\nmatch = ["x"]\ncontext_window = 11\n', "own.toml")
    table = CapabilityTable((), own)
    entry = {"id": "x", "context_length": 50, "max_completion_tokens": 7}
    found = reported(decode_chat, entry, table)
    assert (found.context_window, found.max_output_tokens) == (11, 7)


def test_name_without_a_date_is_found_with_it() -> None:
    (model,) = decode_chat(b'{"data": [{"id": "m-4-5-20260101", "context_length": 5}]}')
    listed = {model.id: reported_by_list(model)}
    assert find_reported(listed, "m-4-5") == listed[model.id]
    assert find_reported(listed, "m-4") == ()


def test_requests_are_fitted_to_what_the_list_says(tmp_path: Path) -> None:
    entry = {"id": "acme/new", "supported_parameters": ["max_tokens", "tools"], "context_length": 9}
    upstream = UpstreamSettings("openai", base_url="https://openrouter.ai/api/v1",
                                api_keys=[Secret("k")], apis=["chat"])  # fmt: skip
    gateway = MemoryGateway(
        Settings(upstreams={"router": upstream}, models=ModelsSettings()), tmp_path
    )

    def respond(request: Any) -> Answer | None:
        body: Any = {"data": [entry]}
        if request.method == "POST":
            body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
        return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())

    gateway.transport.respond = respond
    user = [{"role": "user", "content": "Hi"}]
    more = {"temperature": 0.5, "stop_sequences": ["x"], "max_tokens": 5}
    answer = gateway.ask("anthropic", "acme/new", {"messages": user, **more})
    assert answer.status == 200
    sent = json.loads(gateway.transport.sent[-1].body)  # type: ignore[arg-type]
    assert not {"temperature", "stop"} & sent.keys()
    assert sent["max_tokens"] == 5
