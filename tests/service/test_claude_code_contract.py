"""Claude Code's contract for gateways, row by row.

Source: https://code.claude.com/docs/en/llm-gateway-protocol
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ExperimentalSettings,
    ModelsSettings,
    ProxySettings,
    Settings,
    UpstreamSettings,
)
from antigravity.redaction.credentials import CREDENTIALS
from tests.support.memory_gateway import Answer, MemoryGateway

CLAUDE = "claude/claude-opus-4-8"
OTHER = "gpt/gpt-4.1"
BETA = "claude-code-20250219, interleaved-thinking-2025-05-14,future-beta-2027-01-01"
ATTRIBUTION = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1;"}
CACHED = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = [
    ATTRIBUTION,
    {"type": "text", "text": "You are an agent.", "cache_control": CACHED},
    {"type": "text", "text": "\nRules.", "cache_control": CACHED},
]
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = [
    {"name": "Write", "input_schema": CLOSED, "strict": True},
    {"name": "Bash", "input_schema": {"type": "object"}, "defer_loading": True},
]
BODY: dict[str, Any] = {
    "max_tokens": 900,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "say hi"}]},
        {"role": "system", "content": [{"type": "text", "text": "# Environment"}]},
    ],
    "system": SYSTEM,
    "tools": TOOLS,
    "metadata": {"user_id": '{"device_id":"1","session_id":"s-1"}'},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
}
SESSION = {
    "x_claude_code_session_id": "19ff6f56-87ad",
    "x_claude_code_agent_id": "agent-2",
    "x_claude_code_parent_agent_id": "agent-1",
}
OK = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None,
    "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


def make_gateway(home: Path, **more: Any) -> MemoryGateway:
    def upstream(kind: str, base: str, **extra: Any) -> UpstreamSettings:
        key = Secret("secret-upstream-key")
        return UpstreamSettings(kind, base_url=base, api_keys=[key], apis=["chat"], **extra)

    upstreams = {
        "claude": upstream("anthropic", "https://api.anthropic.com"),
        "betas": upstream(
            "anthropic", "https://api.anthropic.com", headers={"anthropic-beta": "mine,b-1"}
        ),
        "gpt": upstream("openai", "https://api.openai.com/v1"),
        "gemini": upstream("gemini_api", "https://generativelanguage.googleapis.com"),
    }
    return MemoryGateway(Settings(upstreams=upstreams, **more), home)


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    return make_gateway(tmp_path)


def sent_headers(gateway: MemoryGateway) -> dict[str, str]:
    return dict(gateway.transport.sent[-1].headers)


def sent_body(gateway: MemoryGateway) -> Any:
    body = gateway.transport.sent[-1].body
    return json.loads(body if isinstance(body, bytes) else b"".join(body))


def answers(gateway: MemoryGateway, status: int, body: Any, **headers: str) -> Answer:
    """Let the upstream respond with ``body``, and return that response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status, {"content-type": "application/json", **named}, data)
    gateway.transport.respond = lambda request: answer
    return answer


# -- 4.1 Endpoints ----------------------------------------------------------------------------


# see tests/web/test_claude_code_paths.py


# -- 4.2 Headers ------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("anthropic-beta", BETA),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-version", "2031-01-01"),
        ("anthropic-workspace-id", "wrkspc_1"),
        ("anthropic-user-profile-id", "uprof_1"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("anthropic-not-known-yet", "a; b=c"),
    ],
)
def test_header_of_the_api_is_forwarded_as_it_is(
    gateway: MemoryGateway, name: str, value: str, stream: bool
) -> None:
    answers(gateway, 200, OK)
    gateway.ask("anthropic", CLAUDE, {**BODY, "stream": stream}, **{name: value})
    assert sent_headers(gateway)[name] == value


def test_betas_of_the_operator_are_added_behind_those_of_the_client(gateway: MemoryGateway) -> None:
    answers(gateway, 200, OK)
    gateway.ask("anthropic", "betas/claude-opus-4-8", BODY, anthropic_beta="a , b-1")
    assert sent_headers(gateway)["anthropic-beta"] == "a , b-1,mine"


@pytest.mark.parametrize("model", [CLAUDE, OTHER])
def test_ids_of_session_and_agents_are_recorded_and_not_forwarded(
    gateway: MemoryGateway, model: str
) -> None:
    assert gateway.ask("anthropic", model, BODY, **SESSION).status == 200
    record = gateway.records[-1]
    found = (record.session, record.agent, record.parent_agent)
    assert found == ("19ff6f56-87ad", "agent-2", "agent-1")
    assert not [name for name in sent_headers(gateway) if name.startswith("x-claude")]
    gateway.ask("anthropic", model, BODY, x_claude_code_session_id="x" * 200)
    assert gateway.records[-1].session == ""


def test_requests_of_all_agents_of_a_session_use_one_account(tmp_path: Path) -> None:
    keys = [Secret(f"key-{number}") for number in range(5)]
    upstream = UpstreamSettings("anthropic", base_url="https://api.anthropic.com", api_keys=keys)
    gateway = MemoryGateway(Settings(upstreams={"claude": upstream}), tmp_path)
    used = set()
    for number in range(10):
        agent = {**SESSION, "x_claude_code_agent_id": f"agent-{number}"}
        body = {**BODY, "messages": [{"role": "user", "content": f"Task {number}"}]}
        assert gateway.ask("anthropic", "claude-opus-4-8", body, **agent).status == 200
        used.add(sent_headers(gateway)["x-api-key"])
    assert len(used) == 1


# -- 4.3 The system array ---------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_system_and_tools_pass_byte_for_byte(gateway: MemoryGateway, stream: bool) -> None:
    assert gateway.ask("anthropic", CLAUDE, {**BODY, "stream": stream}).status == 200
    expected = {**BODY, "stream": stream, "model": "claude-opus-4-8"}
    assert gateway.transport.sent[-1].body == json.dumps(expected).encode()


def test_attribution_block_is_kept_apart_when_history_is_compressed(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[[model]]\nmatch = ["claude-opus-4-8"]\ncontext_window = 8000\n'
    )
    gateway = make_gateway(
        tmp_path,
        models=ModelsSettings(["models.toml"]),
        experimental=ExperimentalSettings(context_compression_threshold_l1=0.4),
    )
    opening: Any = BODY["messages"]
    rounds: list[dict[str, Any]] = []
    for number in range(20):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "x y " * 750}
        rounds += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    body = {**BODY, "messages": [opening[0], *rounds]}
    answer = gateway.ask("anthropic", CLAUDE, body, anthropic_beta=BETA)
    assert answer.status == 200
    assert answer.headers["x-context-compressed"]
    sent = sent_body(gateway)
    assert [block["text"] for block in sent["system"]] == [block["text"] for block in SYSTEM]
    assert sent["system"][0] == ATTRIBUTION
    assert [tool["name"] for tool in sent["tools"]] == ["Write", "Bash"]
    # Both halves of each pair of beta and member are there.
    assert sent_headers(gateway)["anthropic-beta"] == BETA
    for name in ("context_management", "output_config", "thinking"):
        assert sent[name] == BODY[name]
    assert (sent["tools"][0]["strict"], sent["tools"][1]["defer_loading"]) == (True, True)


def test_attribution_block_does_not_reach_other_providers(gateway: MemoryGateway) -> None:
    assert gateway.ask("anthropic", OTHER, BODY).status == 200
    assert "billing-header" not in json.dumps(sent_body(gateway))


# -- 4.4 Pairs of header and body -------------------------------------------------------------

PAIRS: dict[str, dict[str, Any]] = {
    "adaptive thinking": {"thinking": {"type": "adaptive"}},
    "binding": {
        "thinking": {
            "type": "adaptive",
            "block_binding": {"prefix_mismatch_behavior": "drop_block"},
        }
    },
    "context management": {"context_management": {"edits": [{"type": "compact_20260112"}]}},
    "task budget": {"output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
    "compaction": {"compaction": {"type": "summarize"}},
    "fallbacks": {"fallbacks": [{"model": "claude-opus-4-6"}]},
    "thread": {"thread": {"type": "create"}},
    "speed": {"speed": "fast"},
    "diagnostics": {"diagnostics": {"previous_message_id": None}},
    "mcp servers": {"mcp_servers": []},
    "automatic caching": {"cache_control": {"type": "ephemeral"}},
    "not known yet": {"member_of_2027": {"a": [1, 2.50, "é"]}},
    "tool reference": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "tool_reference", "tool_name": "Bash"}],
                    }
                ],
            },
        ]
    },
}


@pytest.mark.parametrize("feature", PAIRS)
def test_member_of_the_body_passes_as_it_is(gateway: MemoryGateway, feature: str) -> None:
    answers(gateway, 200, OK)
    body = {**BODY, **PAIRS[feature]}
    assert gateway.ask("anthropic", CLAUDE, body, anthropic_beta=BETA).status == 200
    expected = json.dumps({**body, "model": "claude-opus-4-8"}).encode()
    assert gateway.transport.sent[-1].body == expected
    assert sent_headers(gateway)["anthropic-beta"] == BETA


@pytest.mark.parametrize("model", [OTHER, "gemini/gemini-2.5-flash"])
def test_compaction_that_another_provider_has_not_is_an_error(
    gateway: MemoryGateway, model: str
) -> None:
    """A plain answer would replace the conversation."""
    body = {**BODY, **PAIRS["compaction"]}
    answer = gateway.ask("anthropic", model, body, anthropic_beta=BETA)
    assert answer.status == 400
    assert "compaction" in answer.json()["error"]["message"]


@pytest.mark.parametrize("model", [OTHER, "gemini/gemini-2.5-flash"])
@pytest.mark.parametrize("feature", sorted(PAIRS.keys() - {"compaction"}))
def test_member_that_another_provider_has_not_is_no_error(
    gateway: MemoryGateway, feature: str, model: str
) -> None:
    answer = gateway.ask("anthropic", model, {**BODY, **PAIRS[feature]}, anthropic_beta=BETA)
    assert answer.status == 200, answer.body
    assert "anthropic-beta" not in sent_headers(gateway)


# -- 4.5 Streaming and errors -----------------------------------------------------------------


def error_body(kind: str, message: str) -> bytes:
    """Return the body of an error, not written as Python's or msgspec's encoders do."""
    detail = f'{{"type":"{kind}", "message":"{message}"}}'
    return f'{{ "type":"error","error":{detail},"request_id":"req_011","new":[1] }}\n'.encode()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (400, "invalid_request_error", "thinking: Extra inputs are not permitted"),
        (400, "invalid_request_error", "context_management: Extra inputs are not permitted"),
        (400, "invalid_request_error", "prompt is too long: 210118 tokens > 200000 maximum"),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2"),
        (400, "invalid_request_error", "messages: Unexpected role \\u0022system\\u0022."),
        (404, "not_found_error", "model: claude-opus-4-8"),
        (409, "conflict_error", "thread_continue_in_flight"),
        (413, "request_too_large", "Request exceeds the maximum size"),
        (429, "rate_limit_error", "This request would exceed your rate limit."),
        (500, "api_error", "Internal server error"),
        (529, "overloaded_error", "Overloaded"),
    ],
)
def test_error_of_anthropic_arrives_byte_for_byte(
    gateway: MemoryGateway, status: int, kind: str, message: str, stream: bool
) -> None:
    upstream = answers(
        gateway,
        status,
        error_body(kind, message),
        request_id="req_011",
        x_should_retry="false",
        anthropic_ratelimit_requests_limit="50",
    )
    answer = gateway.ask("anthropic", CLAUDE, {**BODY, "stream": stream}, anthropic_beta=BETA)
    assert (answer.status, answer.body) == (status, upstream.body)
    assert answer.headers["request-id"] == "req_011"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "50"


def test_error_about_the_gateways_key_does_not_reach_the_client(gateway: MemoryGateway) -> None:
    answers(gateway, 401, error_body("authentication_error", "invalid secret-upstream-key"))
    answer = gateway.ask("anthropic", CLAUDE, BODY)
    assert answer.status >= 400
    assert b"secret-upstream-key" not in answer.body
    answers(gateway, 400, error_body("invalid_request_error", "key secret-upstream-key is odd"))
    CREDENTIALS.hold(gateway, {"secret-upstream-key"})
    try:
        answer = gateway.ask("anthropic", CLAUDE, BODY)
    finally:
        CREDENTIALS.release(gateway)
    assert b"secret-upstream-key" not in answer.body
    assert answer.json()["error"]["message"].endswith("is odd")


@pytest.mark.parametrize(
    ("message", "token"),
    [
        (
            "This model's maximum context length is 128000 tokens, your messages have 130000.",
            "prompt_too_long",
        ),
        ("ContextWindowExceededError: context length exceeded", "prompt_too_long"),
        ("Invalid thought_signature in the history", "thinking_signature"),
        ("Invalid value: 'x'.", ""),
    ],
)
def test_error_of_another_provider_has_the_token_of_its_recovery(
    gateway: MemoryGateway, message: str, token: str
) -> None:
    code = "context_length_exceeded" if token == "prompt_too_long" else None
    error = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    answers(gateway, 400, error)
    answer = gateway.ask("anthropic", OTHER, BODY, user_agent="claude-cli/2.1 (external, cli)")
    assert answer.status == 400
    found = answer.json()
    assert (found["type"], found["error"]["type"]) == ("error", "invalid_request_error")
    text = found["error"]["message"]
    assert ("capability_rejected: " in text) == bool(token)
    assert text.endswith(f"(capability_rejected: {token})" if token else message)
    if token == "prompt_too_long":
        assert text.startswith("prompt is too long: ")


@pytest.mark.parametrize("model", [CLAUDE, OTHER, "gemini/gemini-2.5-flash"])
def test_stream_ends_with_all_its_events(gateway: MemoryGateway, model: str) -> None:
    answer = gateway.ask("anthropic", model, {**BODY, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b"event: message_start\n")
    assert answer.body.endswith(b'data: {"type":"message_stop"}\n\n')
    if model == CLAUDE:
        assert answer.body == gateway.transport.received[-1].body


def test_pings_are_events_that_claude_code_reads(gateway: MemoryGateway) -> None:
    ping = gateway.protocols["anthropic"].keepalive
    assert ping == b'event: ping\ndata: {"type": "ping"}\n\n'
    # it shows a notice after 20 silent seconds, and gives up after 300
    assert 0 < ProxySettings().keepalive_interval < 20


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, b"{"), (200, b"<html></html>")])
def test_empty_or_broken_success_is_an_error(
    gateway: MemoryGateway, status: int, body: bytes
) -> None:
    answers(gateway, status, body)
    answer = gateway.ask("anthropic", CLAUDE, BODY)
    assert answer.status >= 500
    assert answer.json()["type"] == "error"


# -- 4.6 Model discovery ----------------------------------------------------------------------


def test_list_of_models_has_ids_and_display_names(gateway: MemoryGateway) -> None:
    page = gateway.models("anthropic", limit="1000")
    assert page["data"]
    assert all(each["id"] and each["display_name"] for each in page["data"])
    assert any("claude" in each["id"] for each in page["data"])


# -- 4.7 Variables: the shapes of requests that they make -------------------------------------


@pytest.mark.parametrize("model", [CLAUDE, OTHER, "gemini/gemini-2.5-flash"])
@pytest.mark.parametrize(
    "more",
    [
        {"thinking": {"type": "disabled"}, "context_management": None},  # MAX_THINKING_TOKENS=0
        {"system": "You are an agent."},
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {"output_config": None},
        {"max_tokens": 128000},
        {"metadata": None},
        {"tools": []},
        {"output_config": {"effort": "max"}},
    ],
)
def test_request_shape_is_served(gateway: MemoryGateway, model: str, more: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BODY, **more}.items() if value is not None}
    answer = gateway.ask("anthropic", model, body)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("model", [CLAUDE, OTHER])
def test_tokens_are_counted(gateway: MemoryGateway, model: str) -> None:
    body = {name: BODY[name] for name in ("messages", "tools")}
    answer = gateway.count_tokens("anthropic", model, body)
    assert answer.status == 200, answer.body
    assert answer.json()["input_tokens"] > 0
