"""Nothing that must be masked reaches the upstream, from whatever client it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from antigravity_mask import plugin
from antigravity_mask.plugin import Masker

from antigravity.testing import ThreadedGateway, load_plugin, run_gateway

ADDRESS = "ann@example.org"
CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def gateway() -> Iterator[ThreadedGateway]:
    with run_gateway(plugins=[("mask", plugin)]) as running:
        running.reload(
            f"""
[upstreams.safe]
kind = "masked-openai"
base_url = "{running.simulator_url}/v1"
api_key = "sk-x"

[plugins.mask]
words = ["Project Heron"]
"""
        )
        yield running


def sent(gateway: ThreadedGateway) -> str:
    """Return the last request of a client; the gateway asks for lists of models, too."""
    bodies = [each.body for each in gateway.simulator.log if each.path == "/v1/chat/completions"]
    return json.dumps(bodies[-1])


def test_plugin_keeps_the_rules_of_its_interfaces() -> None:
    info = load_plugin(plugin).info
    assert info.registered["protocols"] == ("masked_chat",)
    assert info.registered["upstreams"] == ("masked-openai",)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"Write to {ADDRESS}.", "Write to [e-mail]."),
        (f"Pay with {CARD}!", "Pay with [card]!"),
        ("Order 4111 1111 1111 1112", "Order 4111 1111 1111 1112"),
        ("PROJECT heron begins", "[masked] begins"),
        ("Nothing here: a@b, 12345", "Nothing here: a@b, 12345"),
    ],
)
def test_masker_masks_what_is_personal(text: str, masked: str) -> None:
    masker = Masker(["Project Heron"])
    assert masker.mask(text) == masked
    assert masker.count == (text != masked)


def test_masker_without_words_changes_nothing() -> None:
    assert Masker([]).mask("Project Heron") == "Project Heron"


def test_openai_request_is_masked_and_the_client_is_warned(gateway: ThreadedGateway) -> None:
    body = {
        "model": "safe/gpt-4.1",
        "user": ADDRESS,
        "metadata": {"from": ADDRESS},
        "messages": [
            {"role": "system", "content": f"The user is {ADDRESS}."},
            {"role": "user", "content": f"[[say Done]] {CARD} for Project Heron"},
        ],
    }
    response = gateway.post("/v1/chat/completions", body)
    assert response.json()["choices"][0]["message"]["content"] == "Done"
    assert any("masked: 3" in value for value in response.headers.values()), response.headers
    for secret in (ADDRESS, CARD, "Heron"):
        assert secret not in sent(gateway)
    assert "[card] for [masked]" in sent(gateway)


def test_tool_results_of_another_protocol_are_masked(gateway: ThreadedGateway) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "find", "input": {"who": ADDRESS}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": f"It is {ADDRESS}."}
    body: dict[str, Any] = {
        "model": "safe/gpt-4.1",
        "max_tokens": 50,
        "tools": [{"name": "find", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    }
    response = gateway.post("/v1/messages", body)
    assert response.status == 200, response.text
    assert ADDRESS not in sent(gateway)
    assert "[e-mail]" in sent(gateway)


def test_request_without_personal_data_has_no_warning(gateway: ThreadedGateway) -> None:
    messages = [{"role": "user", "content": "[[say Hello]]"}]
    body = {"model": "safe/gpt-4.1", "messages": messages}
    response = gateway.post("/v1/chat/completions", body)
    assert not any("masked" in value for value in response.headers.values())
