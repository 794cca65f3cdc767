"""Codex with the gateway's list of models, instead of the models that it has built in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Codex, patch_of
from tests.clients.servers import Simulator, ask
from tests.support.npm import UnavailableError

#: The upstream, a model of it, its window, and whether it can look at images.
MODELS = (
    ("anthropic", "claude-sonnet-5", 1_000_000),
    ("anthropic", "claude-haiku-4-5", 200_000),
    ("gemini", "gemini-3-pro-preview", 1_048_576),
    ("responses", "gpt-5.1", 400_000),
)


def make_codex(folder: Path, model: str, **options: Any) -> Codex:
    """Return Codex with its own provider."""
    try:
        return Codex(folder, model, **options)
    except UnavailableError as error:
        pytest.skip(str(error))


def windows_of(codex: Codex) -> set[int]:
    """Return the context windows in the client's records of its session."""
    found = set()
    for file in (codex.home / ".codex" / "sessions").rglob("*.jsonl"):
        for line in file.read_text().splitlines():
            info = json.loads(line).get("payload", {}).get("info")
            if isinstance(info, dict) and "model_context_window" in info:
                found.add(info["model_context_window"])
    return found


@pytest.mark.parametrize("source", ["request", "file"])
@pytest.mark.parametrize(("target", "model", "window"), MODELS)
def test_models_have_their_windows_efforts_and_tools(
    tmp_path: Path,
    gateways: Gateways,
    simulator: Simulator,
    source: str,
    target: str,
    model: str,
    window: int,
) -> None:
    gateway = gateways(target)
    file = tmp_path / "models.json"
    listed = ask(f"{gateway.address}/v1/models?client_version=0.169.0")
    file.write_text(json.dumps(listed))
    gateway.arrivals()
    by_file = source == "file"
    codex = make_codex(tmp_path, model, key_command=not by_file, catalog=file if by_file else None)
    patch = json.dumps({"input": patch_of("made.txt", "PATCHED-9")})
    answer = codex.ask(gateway.address, f"[[tool apply_patch {patch}]]")
    assert (codex.work / "made.txt").read_text() == "PATCHED-9\n", answer.output
    assert "metadata" not in answer.err, answer.err  # it warns of models that it does not know
    lists = [a.status for a in gateway.arrivals() if a.path == "/v1/models"]
    assert lists == ([] if by_file else [200] * len(lists))
    assert bool(lists) is not by_file
    assert windows_of(codex) == {window * 95 // 100}
    (entry,) = [each for each in listed["models"] if each["slug"] == model]
    text = json.dumps(simulator.bodies()[-1])
    assert json.dumps(entry["base_instructions"])[1:-1] in text


@pytest.mark.parametrize("effort", ["low", "max"])
def test_effort_of_model_can_be_chosen(
    tmp_path: Path, gateways: Gateways, simulator: Simulator, effort: str
) -> None:
    # As in the documentation.
    options = {"key_command": True, "provider_name": "OpenAI", "websocket": True}
    codex = make_codex(tmp_path, "claude-sonnet-5", **options)
    option = f'model_reasoning_effort="{effort}"'
    answer = codex.ask(gateways("anthropic").address, "Hello [[say HI-7]]", "-c", option)
    assert answer.out.strip() == "HI-7", answer.output
    assert simulator.bodies()[-1]["output_config"]["effort"] == effort
