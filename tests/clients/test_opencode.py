"""opencode with each of its providers over the gateway, to every upstream protocol.

Its titles are written by models that nobody chose: upstreams that have them are asked, others
are asked for their fallback model.
"""

from __future__ import annotations

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS

SHELL = '[[tool bash {"command": "expr 40 + 2 | sed s/^/ZEBRA-/", "description": "marker"}]]'
OTHER = '[[tool bash {"command": "expr 20 + 3 | sed s/^/LYNX-/", "description": "other"}]]'
LONG = "[[chunks 8]][[say " + "word " * 40 + "]]"

PROVIDERS = {
    "anthropic": "anthropic/claude-sonnet-5",
    "responses": "openai/gpt-5",
    "chat": "local/gpt-4o",
    "gemini": "google/gemini-3-flash",
}

every_provider = pytest.mark.parametrize("provider", PROVIDERS)
every_target = pytest.mark.parametrize("target", TARGETS)


@every_provider
@every_target
def test_client_runs_commands(
    opencode: Driver, gateways: Gateways, provider: str, target: str
) -> None:
    gateway = gateways(target, fallback=True)
    prompt = f"[[think PONDER-5]]{SHELL}{OTHER}"
    answer = opencode.ask(gateway.address, prompt, "--model", PROVIDERS[provider])
    # Its output of the commands goes elsewhere; this is the answer, which has the results.
    assert "Result: " in answer.out, answer.output
    assert "ZEBRA-42" in answer.out, answer.output
    assert "LYNX-23" in answer.out, answer.output
    arrivals = gateway.arrivals()
    assert {a.status for a in arrivals} == {200}
    assert len(arrivals) <= 4


@every_provider
def test_client_prints_response(opencode: Driver, gateways: Gateways, provider: str) -> None:
    target = "gemini" if provider == "anthropic" else "anthropic"
    answer = opencode.ask(
        gateways(target, fallback=True).address,
        "[[say GREETING-7 zürich]]",
        "--model",
        PROVIDERS[provider],
    )
    assert answer.out.strip() == "GREETING-7 zürich", answer.output


@every_provider
@pytest.mark.parametrize("fault", ["error 400 message=REFUSED-9", "cut 3"])
def test_client_ends_on_faults(
    opencode: Driver, gateways: Gateways, provider: str, fault: str
) -> None:
    target = "gemini" if provider == "anthropic" else "anthropic"
    gateway = gateways(target, fallback=True, fresh=True)
    answer = opencode.ask(
        gateway.address, f"{LONG}[[{fault}]]", "--model", PROVIDERS[provider], timeout=150
    )
    assert answer.output.strip()
    assert 1 <= len(gateway.arrivals()) <= 14
