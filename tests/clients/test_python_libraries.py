"""Libraries and agents in Python over the gateway, to every upstream protocol.

Each module of ``frameworks/`` runs all cases of its client in one process, in an environment of
its own; each case is a subtest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.clients.drivers import KEY, isolated_environment
from tests.clients.libraries import EXHAUSTED, LibraryGateways
from tests.clients.programs import run_client
from tests.clients.servers import TARGETS, Simulator
from tests.support.certificates import certificate
from tests.support.mcp_processes import offering_everything
from tests.support.npm import UnavailableError
from tests.support.pypi import ROOT, ensure_environment

#: The modules, what the table at the end of a run calls them, and their environments.
MODULES: Final = {
    "aider_cases": ("aider", "aider"),
    "claude_agent_sdk_cases": ("Claude Agent SDK", "claude-agent-sdk"),
    "google_adk_cases": ("google-adk", "google-adk"),
    "langchain_cases": ("LangChain agents", "langchain"),
    "langchain_standard_tests": ("LangChain standard tests", "langchain"),
    "llm_cases": ("llm", "llm"),
    "openai_agents_cases": ("OpenAI Agents", "openai-agents"),
    "openai_agents_tools_cases": ("OpenAI Agents tools and state", "openai-agents"),
    "pydantic_ai_cases": ("Pydantic AI", "pydantic-ai"),
}
FOLDER: Final = Path(__file__).with_name("frameworks")


@pytest.fixture(scope="module")
def mcp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the gateway's tools."""
    with offering_everything(tmp_path_factory.mktemp("everything")) as address:
        yield address


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """The variables of a client's process."""
    home = tmp_path / "home"
    home.mkdir()
    # They talk plain HTTP, but load the certificates of all authorities for each connection pool.
    authority = tmp_path / "authority.pem"
    authority.write_bytes(certificate("localhost").made.public_bytes(Encoding.PEM))
    return {
        **isolated_environment(home),
        "PYTHONPATH": str(ROOT),
        "SSL_CERT_FILE": str(authority),
        "NO_GCE_CHECK": "true",  # google-auth looks for Google's own machines for seconds
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def setting(gateways: LibraryGateways, simulator: Simulator, mcp_url: str) -> str:
    """Return what a program reads from standard input."""
    addresses = {name: gateways.address(name) for name in TARGETS}
    return json.dumps(
        {
            "gateways": addresses,
            "simulator": simulator.address,
            "mcp": mcp_url,
            "key": KEY,
            "exhausted": EXHAUSTED,
        }
    )


@pytest.mark.parametrize("module", MODULES)
def test_client_passes_cases(
    module: str,
    library_gateways: LibraryGateways,
    simulator: Simulator,
    mcp_url: str,
    surroundings: dict[str, str],
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    name, environment = MODULES[module]
    try:
        python = ensure_environment(environment)
    except UnavailableError as error:
        pytest.skip(str(error))
    work = tmp_path / "work"
    work.mkdir()
    done = run_client(
        [str(python), "-m", f"tests.clients.frameworks.{module}"],
        surroundings,
        work,
        prompt=setting(library_gateways, simulator, mcp_url),
        timeout=400,
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    assert lines, done.output[-5000:]
    assert lines[-1] == {"done": True}, done.output[-5000:]
    results = lines[:-1]
    assert {result["upstream"] for result in results} == set(TARGETS)
    for result in results:
        label = f"Python {name} {result['api']}".rstrip()
        with subtests.test(client=label, target=result["upstream"], case=result["case"]):
            if result["outcome"] == "skipped":
                pytest.skip(result["detail"])
            if result["outcome"] != "passed":
                pytest.fail(result["detail"], pytrace=False)
    assert "Traceback" not in library_gateways.log


def test_every_module_has_an_environment() -> None:
    found = {path.stem for path in FOLDER.glob("*_cases.py")}
    found |= {path.stem for path in FOLDER.glob("*_tests.py")}
    assert found == set(MODULES)
