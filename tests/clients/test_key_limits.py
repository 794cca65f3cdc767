"""Clients show what the gateway says when a key of its own may not do what they ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Gateway, Simulator

ANTIGRAVITY = Path(sys.executable).with_name("antigravity")
#: The options of each client's, by the name of its fixture.
MODELS = {
    "claude": ("--model", "claude-sonnet-5"),
    "codex": (),
    "gemini": ("--model", "gemini-3-flash-preview"),
    "opencode": ("--model", "local/gpt-4o"),
}
#: The rule of a key, what clients say then, and the status; Codex has own words for quotas.
RULES = {
    "model": (("--models", "some-other-model"), "only some-other-model", 403),
    "budget": (("--budget", "0.00001/day"), r"budget of \$0.00001 per day|Quota exceeded", 429),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "run"


@pytest.fixture(scope="module")
def gateway(folder: Path, upstreams: Simulator) -> Iterator[Gateway]:
    """A gateway that requires a key."""
    more = '[proxy]\nauth_mode = "all_except_health"\napi_key = "sk-owner"\n'
    more += '[prices.upstreams.target]\nprovider = "anthropic"\n'
    gateway = Gateway(folder, TARGETS["anthropic"], upstreams.address, True, more)
    yield gateway
    gateway.stop()


def make_key(home: Path, label: str, *rules: str) -> str:
    """Return the secret of a new key with these rules."""
    command = [str(ANTIGRAVITY), "--home", str(home), "--json", "keys", "add", label, *rules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return str(json.loads(done.stdout)["key"])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MODELS)
def test_client_shows_refusal(
    name: str, rule: str, folder: Path, gateway: Gateway, request: pytest.FixtureRequest
) -> None:
    client: Driver = request.getfixturevalue(name)
    rules, said, status = RULES[rule]
    client.key = make_key(folder / "home", f"{name}-{rule}", *rules)
    gateway.arrivals()
    answer = client.ask(gateway.address, "Say hello", *MODELS[name], timeout=150)
    assert re.search(said, answer.output), answer.output
    assert answer.code != 0, answer.output
    arrivals = gateway.arrivals()
    assert status in {a.status for a in arrivals}, arrivals
    assert len(arrivals) <= 12, arrivals
