"""Command line agents over the gateway, to every upstream protocol.

pi starts quickly, so it runs with each of its protocols over each upstream; of the others each
upstream sees one, in turn.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.agent_drivers import AGENTS, Agent
from tests.clients.libraries import EXHAUSTED, LibraryGateways
from tests.clients.servers import TARGETS, Simulator
from tests.support.npm import UnavailableError

MARKER = "expr 40 + 2 | sed s/^/ZEBRA-/"
OTHER = "expr 20 + 3 | sed s/^/LYNX-/"

IN_TURN = [
    (name, agent.protocols[(number + offset) % len(agent.protocols)], target)
    for offset, (name, agent) in enumerate(AGENTS.items())
    for number, target in enumerate(TARGETS)
]
PI = [("pi", protocol, target) for protocol in AGENTS["pi"].protocols for target in TARGETS]
LOOPS = sorted({*IN_TURN, *PI})


def made(name: str, folder: Path, protocol: str, *, key: str = "", model: str = "") -> Agent:
    try:
        agent = AGENTS[name](folder, protocol)
    except UnavailableError as error:
        pytest.skip(str(error))
    agent.key = key or agent.key
    agent.model = model
    return agent


@pytest.mark.parametrize(("name", "protocol", "target"), LOOPS)
def test_client_runs_commands(
    name: str,
    protocol: str,
    target: str,
    tmp_path: Path,
    library_gateways: LibraryGateways,
    simulator: Simulator,
) -> None:
    agent = made(name, tmp_path, protocol)
    first, second = agent.calls(MARKER), agent.calls(OTHER)
    prompt = f"[[think PONDER-5]]{first}[[then]][[think PONDER-6]]{second}"
    answer = agent.ask(library_gateways.address(target), prompt)
    assert "LYNX-23" in answer.out, answer.output
    assert answer.code == 0, answer.output
    bodies = [body for body in simulator.bodies() if "LYNX-23" in str(body)]
    assert any("ZEBRA-42" in str(body) for body in bodies)
    if target not in ("gemini", "codeassist"):  # there the path says it
        assert {body.get("stream") for body in bodies} == {True}


@pytest.mark.parametrize("name", AGENTS)
def test_client_reports_refusals(
    name: str, tmp_path: Path, library_gateways: LibraryGateways
) -> None:
    """One after the other: a wrong key, a request that is not valid, an exhausted account."""
    attempts = {
        "wrong-key": ({"key": "sk-wrong"}, "Say hello", r"401|API key is wrong"),
        "invalid": ({}, "[[error 400 message=REFUSED-9]]", "REFUSED-9"),
        "exhausted": ({"model": EXHAUSTED}, "Say hello", r"429|quota|credit|rate.limit"),
    }
    if AGENTS[name].patient:
        del attempts["exhausted"]
    for title, (settings, prompt, said) in attempts.items():
        folder = tmp_path / title
        folder.mkdir()
        agent = made(name, folder, AGENTS[name].protocols[0], **settings)
        answer = agent.ask(library_gateways.address("anthropic"), prompt, timeout=150)
        assert re.search(said, answer.output), f"{title}: {answer.output}"
