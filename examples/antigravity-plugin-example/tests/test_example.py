"""Each part of the plugin, in a gateway whose models are simulated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from antigravity_plugin_example import plugin

from antigravity.testing import ThreadedGateway, load_plugin, run_gateway

MODEL = "demo-anthropic/claude-sonnet-4-5"


@pytest.fixture(scope="module")
def gateway() -> Iterator[ThreadedGateway]:
    with run_gateway(plugins=[("example", plugin)]) as running:
        yield running


def chat(prompt: str, model: str = MODEL) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}]}


def test_it_registers_what_it_says() -> None:
    info = load_plugin(plugin).info
    assert info.registered["protocols"] == ("say",)
    assert info.registered["upstreams"] == ("cellar",)
    assert info.registered["warmup_filters"] == ("greeting",)
    assert info.registered["mcp_tools"] == ("reverse",)
    assert info.registered["mcp_prompts"] == ("limerick",)
    assert info.registered["routes"] == ("GET /example/visits",)
    assert "exchange_finished" in info.hooks


def test_the_protocol_answers_in_plain_text(gateway: ThreadedGateway) -> None:
    answer = gateway.post("/say/gpt-4.1", b"[[say Hello to you]]")
    assert (answer.status, answer.text) == (200, "Hello to you\n")
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_protocol_streams(gateway: ThreadedGateway) -> None:
    answer = gateway.post("/say/gpt-4.1?stream", b"[[say one two three]][[chunks 3]]")
    assert (answer.status, answer.text) == (200, "one two three\n")


def test_the_protocol_has_errors_of_its_own(gateway: ThreadedGateway) -> None:
    answer = gateway.post("/say/gpt-4.1", b" ")
    assert (answer.status, answer.text) == (400, "The body is the prompt, and it is empty.\n")


def test_the_upstream_is_asked_with_its_header(gateway: ThreadedGateway) -> None:
    address = gateway.simulator_url
    gateway.reload(
        f'[upstreams.below]\nkind = "cellar"\nbase_url = "{address}/v1"\napi_key = "sk-x"'
    )
    answer = gateway.post("/v1/chat/completions", chat("[[say From below]]", "below/gpt-4.1"))
    assert answer.json()["choices"][0]["message"]["content"] == "From below"
    assert gateway.simulator.log[-1].headers["x-from"] == "upstairs"


def test_greetings_of_the_named_client_need_no_model(gateway: ThreadedGateway) -> None:
    gateway.reload('[plugins.example]\nclient = "my-client"')
    greeting = chat("Good morning!")
    answer = gateway.post("/v1/chat/completions", greeting, {"user-agent": "my-client/2"})
    assert answer.headers["x-warmup-intercepted"] == "true"
    other = gateway.post("/v1/chat/completions", greeting, {"user-agent": "another/1"})
    assert "x-warmup-intercepted" not in other.headers


def test_the_tool_and_the_prompt_can_be_used(gateway: ThreadedGateway) -> None:
    result = gateway.mcp("tools/call", {"name": "reverse", "arguments": {"text": "stressed"}})
    assert result["content"][0]["text"] == "desserts"
    prompt = gateway.mcp("prompts/get", {"name": "limerick", "arguments": {"about": "tea"}})
    assert prompt["messages"][0]["content"]["text"] == "Write a limerick about tea."


def test_requests_are_counted(gateway: ThreadedGateway) -> None:
    before = gateway.get("/example/visits").json().get(MODEL, 0)
    gateway.post("/v1/chat/completions", chat("Count me"))
    assert gateway.get("/example/visits").json()[MODEL] == before + 1


def test_it_can_be_blocked(gateway: ThreadedGateway) -> None:
    gateway.reload('[plugins]\nblocked = ["example"]')
    assert gateway.post("/say/gpt-4.1", b"Hello").status == 404
    assert gateway.get("/example/visits").status == 404
    assert [tool["name"] for tool in gateway.mcp("tools/list")["tools"]] == []
    gateway.reload("")
    assert gateway.post("/say/gpt-4.1", b"Hello").status == 200
