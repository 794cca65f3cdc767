"""Gemini CLI over the gateway, to every upstream protocol."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Simulator

SHELL = '[[tool run_shell_command {"command": "expr 40 + 2 | sed s/^/ZEBRA-/"}]]'
OTHER = '[[tool run_shell_command {"command": "expr 20 + 3 | sed s/^/LYNX-/"}]]'
MODEL = ("--model", "gemini-3-flash-preview")
LONG = "[[chunks 8]][[say " + "word " * 40 + "]]"

every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
def test_client_prints_response(gemini: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    answer = gemini.ask(gateway.address, "Hello [[say GREETING-7 zürich]]", *MODEL)
    assert answer.out.strip() == "GREETING-7 zürich", answer.output
    assert answer.code == 0
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_client_runs_commands_with_valid_thinking(
    gemini: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    prompt = f"[[think PONDER-5]]{SHELL}[[then]][[think PONDER-6]]{OTHER}"
    answer = gemini.ask(gateways(target).address, prompt, *MODEL)
    assert "LYNX-23" in answer.out, answer.output
    last = json.dumps(simulator.bodies()[-1])
    assert "ZEBRA-42" in last
    if target != "chat":  # which has no place for thinking
        assert last.count('ignature": "') >= 2 or last.count("encrypted_content") >= 2, last[-3000:]


@every_target
def test_client_runs_parallel_commands(gemini: Driver, gateways: Gateways, target: str) -> None:
    answer = gemini.ask(gateways(target).address, SHELL + OTHER, *MODEL)
    assert "ZEBRA-42" in answer.out, answer.output
    assert "LYNX-23" in answer.out, answer.output


@pytest.mark.parametrize("target", ["gemini", "anthropic"])
def test_client_chooses_model(gemini: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    # First it has the prompt judged, and wants JSON; so there is no directive in it.
    answer = gemini.ask(gateway.address, "Hello GREETING-7")
    assert "GREETING-7" in answer.out, answer.output
    arrivals = gateway.arrivals()
    assert {a.status for a in arrivals} == {200}
    assert [a.path.rpartition(":")[2] for a in arrivals] == [
        "generateContent",
        "streamGenerateContent",
    ]


@every_target
def test_client_ends_on_rejection(gemini: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target, fresh=True)
    answer = gemini.ask(gateway.address, "[[error 400 message=REFUSED-9]]", *MODEL, timeout=150)
    assert answer.code != 0, answer.output
    assert "REFUSED-9" in answer.output
    assert 1 <= len(gateway.arrivals()) <= 4


@every_target
@pytest.mark.parametrize("fault", ["cut 3", "garbage 3"])
def test_client_ends_on_broken_stream(
    gemini: Driver, gateways: Gateways, target: str, fault: str
) -> None:
    gateway = gateways(target, fresh=True)
    answer = gemini.ask(gateway.address, f"{LONG}[[{fault}]]", *MODEL, timeout=150)
    assert answer.output.strip()
    assert 1 <= len(gateway.arrivals()) <= 12
