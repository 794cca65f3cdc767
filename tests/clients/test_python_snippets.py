"""What ``docs/clients.rst`` shows for clients in Python works in their environments.

The snippets for the SDKs themselves are run with the documentation's other tests.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import isolated_environment
from tests.support.npm import UnavailableError
from tests.support.pages import PORT, at, blocks, commands
from tests.support.pypi import ensure_environment

PAGE: Final = "docs/clients.rst"
#: The environments, by a part of the import statements.
ENVIRONMENTS: Final = {
    "from agents ": "openai-agents",
    "from claude_agent_sdk ": "claude-agent-sdk",
    "from google.adk.": "google-adk",
    "from langchain_": "langchain",
    "from pydantic_ai ": "pydantic-ai",
}
SNIPPETS: Final = [
    (name, code)
    for code in blocks(PAGE, "python")
    for words, name in ENVIRONMENTS.items()
    if words in code
]


def python_of(environment: str) -> Path:
    """Return the Python of a client, or skip the test."""
    try:
        return ensure_environment(environment)
    except UnavailableError as error:
        pytest.skip(str(error))


def run_program(
    environment: str, *arguments: str, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of a client in a folder, which is its home, too."""
    program = python_of(environment).with_name(arguments[0])
    return subprocess.run(
        [str(program), *arguments[1:]],
        cwd=folder,
        env={**isolated_environment(folder), **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_every_environment_has_a_snippet() -> None:
    assert {name for name, _ in SNIPPETS} == set(ENVIRONMENTS.values())


@pytest.mark.parametrize(("environment", "code"), SNIPPETS, ids=[code[:40] for _, code in SNIPPETS])
def test_snippets_work(
    environment: str,
    code: str,
    gateways: Gateways,
    tmp_path: Path,
) -> None:
    snippet = at(gateways("anthropic").address, code)
    done = run_program(environment, "python", "-c", snippet, folder=tmp_path, NO_GCE_CHECK="true")
    assert done.stdout == "Hello!\n", done.stdout + done.stderr


def test_models_of_llm_work(gateways: Gateways, tmp_path: Path) -> None:
    (models,) = (block for block in blocks(PAGE, "yaml") if "model_id: local" in block)
    address = gateways("gemini").address
    (tmp_path / "extra-openai-models.yaml").write_text(at(address, models))
    (tmp_path / "keys.json").write_text(json.dumps({"local": "sk-local"}))
    done = run_program(
        "llm", "llm", "-m", "local", "Hello!", folder=tmp_path, LLM_USER_PATH=str(tmp_path)
    )
    assert done.stdout == "Hello!\n", done.stdout + done.stderr


def test_settings_of_aider_work(gateways: Gateways, tmp_path: Path) -> None:
    (settings,) = (block for block in blocks(PAGE, "yaml") if "use_temperature" in block)
    address = gateways("anthropic").address
    lines = [line.split()[1:] for line in commands(PAGE) if "_API_BASE=" in line]
    assert len(lines) == 3
    words = [word for line in lines for word in line]
    variables = dict(PORT.sub(address, word).split("=", 1) for word in words)
    (tmp_path / ".aider.model.settings.yml").write_text(settings)
    done = run_program(
        *("aider", "aider", "--yes", "--no-git", "--no-check-update", "--analytics-disable"),
        *("--no-show-model-warnings", "--no-pretty", "--no-stream"),
        *("--model", "anthropic/claude-sonnet-5", "--message", "[[say GREETING-7]]"),
        folder=tmp_path,
        **variables,
    )
    assert "GREETING-7" in done.stdout, done.stdout + done.stderr
