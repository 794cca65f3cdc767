"""What upstreams take and refuse, by their address and by the operator's word."""

from __future__ import annotations

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.upstreams.addresses import BaseUrl, parse_base
from antigravity.upstreams.quirks import is_local, quirk_table, resolve_quirks


def at(*urls: str, own: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the quirks of an upstream with these addresses."""
    return resolve_quirks(own, [parse_base(url, "base_url") for url in urls])


def test_table_names_every_quirk_it_uses_and_cites_a_source() -> None:
    table = quirk_table()
    fields = {"frequency_penalty", "presence_penalty", "logit_bias", "tool_choice"}
    for rule in table.address:
        assert rule.hosts or rule.ports, rule.name
        assert rule.source.startswith("https://"), rule.name
        assert len(set(rule.quirks)) == len(rule.quirks), rule.name
        for quirk in rule.quirks:
            positive = quirk.removeprefix("no_")
            assert positive in table.names or positive in fields, (rule.name, quirk)
            assert f"no_{positive}" not in rule.quirks or quirk == f"no_{positive}", rule.name


@pytest.mark.parametrize(
    ("url", "taken", "refused"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens", "top_k"),
        ("https://eu.api.openai.com/v1", "store", "random_seed"),
        ("https://me.openai.azure.com/openai/v1", "max_completion_tokens", "service_tier"),
        ("https://api.mistral.ai/v1", "call_ids_9", "max_completion_tokens"),
        ("https://API.DeepSeek.com", "thinking_switch", "json_schema"),
        ("https://api.moonshot.cn/v1", "max_completion_tokens", "tool_choice_required"),
        ("https://api.z.ai/api/paas/v4", "single_stop", "stream_options"),
        ("https://openrouter.ai/api/v1", "cache_control", "service_tier"),
        ("https://api.groq.com/openai/v1", "service_tier", "logprobs"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "enable_thinking", "strict"),
        ("http://127.0.0.1:11434/v1", "reasoning_effort", "max_completion_tokens"),
        ("http://[::1]:1234/v1", "top_k", "max_completion_tokens"),
        ("http://gpu-box:8000/v1", "top_k", "service_tier"),
        ("http://192.168.1.7:8080/v1", "top_k", "max_completion_tokens"),
    ],
)
def test_address_determines_accepted_and_refused_fields(url: str, taken: str, refused: str) -> None:
    target = Target("m", Capabilities(), at(url))
    assert target.accepts(taken)
    assert not target.accepts(refused)


def test_unknown_addresses_have_no_quirks() -> None:
    assert at("https://llm.example.com/v1") == frozenset()
    assert at("https://llm.example.com:11434/v1") == frozenset()  # a port says nothing out there
    assert at("http://127.0.0.1:18045/v1") == frozenset()
    assert at("https://api.openai.com.evil.example/v1") == frozenset()


def test_operators_own_quirks_win_over_the_table() -> None:
    found = at("https://api.mistral.ai/v1", own=("user", "max_completion_tokens", "no_json_schema"))
    assert {"user", "max_completion_tokens", "no_json_schema", "call_ids_9"} <= found
    assert not {"no_user", "no_max_completion_tokens", "json_schema"} & found


def test_max_tokens_is_the_other_word_for_no_max_completion_tokens() -> None:
    found = at("https://api.openai.com/v1", own=("max_tokens",))
    assert "no_max_completion_tokens" in found
    assert "max_completion_tokens" not in found


def test_fields_refused_by_one_of_several_addresses_are_refused() -> None:
    found = at("https://api.openai.com/v1", "https://api.mistral.ai/v1")
    assert "no_user" in found
    assert "no_max_completion_tokens" in found
    assert "call_ids_9" not in found
    assert "allowed_tools" not in at("https://api.openai.com/v1", "https://llm.example.com/v1")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "10.0.0.3", "nas.local", "box"])
def test_private_hosts_are_local(host: str) -> None:
    assert is_local(host)
    assert not is_local("8.8.8.8")
    assert not is_local("api.example.com")


def test_quirks_are_described_for_people() -> None:
    table = quirk_table()
    assert "max_completion_tokens" in table.describe("max_completion_tokens")
    assert table.describe("no_user") == "refused: the field user"
    assert table.describe("no_logit_bias") == "refused: logit_bias"
    assert "plugin" in table.describe("frobnicate")
    assert table.at(BaseUrl("https://api.x.ai", "/v1"))


def test_patterns_of_hosts_have_at_most_one_star() -> None:
    patterns = [host for rule in quirk_table().address for host in rule.hosts]
    assert max(pattern.count("*") for pattern in patterns) == 1
