"""Claude Code over the gateway, to every upstream protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Simulator

SHELL = '[[tool Bash {"command": "expr 40 + 2 | sed s/^/ZEBRA-/", "description": "marker"}]]'
OTHER = '[[tool Bash {"command": "expr 20 + 3 | sed s/^/LYNX-/", "description": "other"}]]'
MODEL = ("--model", "claude-sonnet-5")
LONG = "[[chunks 8]][[say " + "word " * 40 + "]]"

every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
def test_client_prints_response(claude: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = claude.ask(gateway.address, "Hello [[say GREETING-7 zürich]]", *MODEL)
    assert answer.out.strip() == "GREETING-7 zürich", answer.output
    assert answer.code == 0
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_client_runs_command(claude: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = claude.ask(gateway.address, SHELL, *MODEL)
    assert "ZEBRA-42" in answer.out, answer.output
    messages = [a for a in gateway.arrivals() if a.path == "/v1/messages"]
    assert [a.status for a in messages] == [200, 200]


@every_target
def test_client_runs_parallel_commands(claude: Driver, gateways: Gateways, target: str) -> None:
    answer = claude.ask(gateways(target).address, SHELL + OTHER, *MODEL)
    assert "ZEBRA-42" in answer.out, answer.output
    assert "LYNX-23" in answer.out, answer.output


@every_target
def test_thinking_is_valid_in_tool_loop(
    claude: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    prompt = f"[[think PONDER-5]]{SHELL}[[then]][[think PONDER-6]]{OTHER}"
    answer = claude.ask(gateways(target).address, prompt, *MODEL)
    assert "LYNX-23" in answer.out, answer.output
    last = json.dumps(simulator.bodies()[-1])
    if target not in ("chat",):  # which has no place for thinking
        assert last.count('ignature": "') >= 2 or last.count("encrypted_content") >= 2, last[-3000:]


@every_target
def test_client_event_stream_is_complete(claude: Driver, gateways: Gateways, target: str) -> None:
    options = (*MODEL, "--output-format", "stream-json", "--verbose", "--include-partial-messages")
    answer = claude.ask(gateways(target).address, f"[[think PONDER-5]]{SHELL}", *options)
    events = [json.loads(line) for line in answer.out.splitlines()]
    inner = [event["event"]["type"] for event in events if event["type"] == "stream_event"]
    assert inner.count("message_start") == inner.count("message_stop") == 2
    assert inner.count("content_block_start") == inner.count("content_block_stop")
    kinds = [block["type"] for event in events for block in _blocks(event)]
    assert kinds.index("thinking") < kinds.index("tool_use") < kinds.index("tool_result")
    assert events[-1]["type"] == "result"
    assert events[-1]["is_error"] is False
    assert events[-1]["usage"]["output_tokens"] > 0


def _blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    content = event.get("message", {}).get("content", []) if "message" in event else []
    return content if isinstance(content, list) else []


@every_target
def test_structured_output_matches_schema(claude: Driver, gateways: Gateways, target: str) -> None:
    schema = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
    prompt = '[[tool StructuredOutput {"n": 42}]]'
    options = (*MODEL, "--output-format", "json", "--json-schema", schema)
    answer = claude.ask(gateways(target).address, prompt, *options)
    assert json.loads(answer.out)["structured_output"] == {"n": 42}, answer.output


@pytest.mark.parametrize("target", ["anthropic", "gemini"])
def test_unknown_models_use_fallback_model(claude: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target, fallback=True)
    answer = claude.ask(gateway.address, "[[say GREETING-7]]", "--model", "some-local-model")
    assert answer.out.strip() == "GREETING-7", answer.output


@every_target
def test_client_counts_context(claude: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = claude.ask(gateway.address, "/context", *MODEL)
    assert "Context" in answer.out, answer.output
    assert {a.status for a in gateway.arrivals()} <= {200}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        *((target, 400) for target in TARGETS),
        ("anthropic", 401),
        ("gemini", 429),
        ("responses", 500),
        ("anthropic", 529),
    ],
)
def test_client_ends_on_errors(
    claude: Driver, gateways: Gateways, target: str, status: int
) -> None:
    gateway = gateways(target, fresh=True)
    answer = claude.ask(
        gateway.address, f"[[error {status} retry=1s message=REFUSED-9]]", *MODEL, timeout=150
    )
    assert answer.code != 0
    assert "Error" in answer.out, answer.output
    arrivals = gateway.arrivals()
    assert 1 <= len(arrivals) <= 12, arrivals


@every_target
@pytest.mark.parametrize("fault", ["cut 3", "garbage 3", "empty"])
def test_client_ends_on_broken_stream(
    claude: Driver, gateways: Gateways, target: str, fault: str
) -> None:
    gateway = gateways(target, fresh=True)
    answer = claude.ask(gateway.address, f"{LONG}[[{fault}]]", *MODEL, timeout=150)
    # It may go on by itself, with a prompt of its own: so an error is one of two good ends.
    assert answer.code != 0 or "cut off" in answer.out, answer.output
    assert answer.out.strip()
    assert 1 <= len(gateway.arrivals()) <= 12
