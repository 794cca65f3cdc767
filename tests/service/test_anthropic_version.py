"""The header ``anthropic-version``: the client's on native passes, the gateway's own otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, UpstreamSettings
from tests.support.memory_gateway import MemoryGateway

NEW = "2026-10-21"
USER: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
CITED = {"type": "text", "text": "x", "citations": [{"type": "char_location"}]}


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    def upstream(kind: str, base: str, **more: Any) -> UpstreamSettings:
        return UpstreamSettings(kind, base_url=base, api_keys=[Secret("k")], apis=["chat"], **more)

    claude = "https://api.anthropic.com"
    upstreams = {
        "claude": upstream("anthropic", claude),
        "newer": upstream("anthropic", claude, headers={"anthropic-version": NEW}),
        "gpt": upstream("openai", "https://api.openai.com/v1"),
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def version(gateway: MemoryGateway) -> str | None:
    return dict(gateway.transport.sent[-1].headers).get("anthropic-version")


def message(gateway: MemoryGateway, model: str, **more: Any) -> Any:
    body = {"max_tokens": 9, "messages": USER, **more}
    return gateway.ask("anthropic", model, body, anthropic_version=NEW)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"temperature": 1},
        {"top_p": 1},
        {"top_k": 1},
        {"messages": [*USER, {"role": "assistant", "content": [DOCUMENT]}, *USER]},
        {"messages": [{"role": "user", "content": [CITED]}]},
    ],
)
def test_native_request_keeps_version_and_gets_providers_response(
    gateway: MemoryGateway, more: dict[str, Any]
) -> None:
    answer = message(gateway, "claude/claude-sonnet-4-5", **more)
    received = gateway.transport.received[-1]
    assert version(gateway) == NEW
    assert (answer.status, answer.body) == (received.status, received.body)
    assert answer.status == (400 if more else 200)


def test_client_of_new_version_can_use_other_models(gateway: MemoryGateway) -> None:
    answer = message(gateway, "gpt/gpt-4.1")
    assert answer.status == 200
    sent = json.loads(gateway.transport.sent[-1].body)  # type: ignore[arg-type]
    assert not {"temperature", "top_p", "top_k"} & sent.keys()


def test_translated_request_has_the_gateways_version(gateway: MemoryGateway) -> None:
    body = {"messages": USER, "temperature": 0.5}
    assert gateway.ask("openai_chat", "claude/claude-sonnet-4-5", body).status == 200
    assert version(gateway) == "2023-06-01"
    assert json.loads(gateway.transport.sent[-1].body)["temperature"] == 0.5  # type: ignore[arg-type]


def test_version_of_the_operator_removes_sampling(gateway: MemoryGateway) -> None:
    body = {"messages": USER, "temperature": 0.5, "top_p": 0.5}
    answer = gateway.ask("openai_chat", "newer/claude-sonnet-4-5", body)
    assert (answer.status, version(gateway)) == (200, NEW)
    assert "sampling.temperature" in {each.field for each in gateway.records[-1].warnings}


def test_request_translated_within_the_protocol_has_the_gateways_version(tmp_path: Path) -> None:
    upstream = UpstreamSettings(
        "anthropic", base_url="https://api.anthropic.com", api_keys=[Secret("k")],
        models=["claude-*"],
    )  # fmt: skip
    proxy = ProxySettings(custom_mapping={"claude-opus-4-1": "claude-opus-5"})
    gateway = MemoryGateway(Settings(proxy, {"claude": upstream}), tmp_path)
    more = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
    answer = message(gateway, "claude-opus-4-1", **more)
    assert (answer.status, gateway.records[-1].attempts[-1].passed_through) == (200, False)
    assert version(gateway) == "2023-06-01"


def test_other_clients_keep_what_a_new_version_refuses(gateway: MemoryGateway) -> None:
    assert message(gateway, "claude/claude-sonnet-4-5", temperature=1).status == 400
    body = {"max_tokens": 9, "messages": USER, "temperature": 1}
    assert gateway.ask("anthropic", "claude/claude-sonnet-4-5", body).status == 200
    assert json.loads(gateway.transport.sent[-1].body)["temperature"] == 1  # type: ignore[arg-type]
