"""The official client for tasks, in both revisions: ``make test-conformance``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.conformance_suite import installed
from tests.support.mcp_processes import offering_everything
from tests.support.npm import UnavailableError, search_path

PACKAGES: Final = ("@modelcontextprotocol/client@2.4.0", "@modelcontextprotocol/ext-tasks@0.2.2")
SCRIPT: Final = Path(__file__).parent / "ext_tasks.mjs"
EXPECTED: Final = {
    "greet": ["immediate", "completed", "Hello, Ada!"],
    "slow_compute": ["task", "completed", "Computed x in 0.3 seconds."],
    "failing_job": ["task", "completed", "This job fails."],
    "protocol_error_job": ["task", "failed", "This job breaks."],
    "confirm_delete": ["task", "completed", "Deleted."],
    "multi_input": ["task", "completed", "Ada, Ada"],
    "test_tool_with_task": ["task", "completed", "Hello, Ada!"],
    "cancelled": ["task", "cancelled"],
}


@pytest.fixture(scope="module")
def packages() -> Path:
    try:
        return installed("ext-tasks", *PACKAGES)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with offering_everything(tmp_path_factory.mktemp("everything")) as address:
        yield address


@pytest.fixture(scope="module")
def federating(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that offers the tools of the other one."""
    with offering_everything(tmp_path_factory.mktemp("federating"), url) as address:
        yield f"{address.partition('/mcp')[0]}/mcp"


def outcomes(packages: Path, *arguments: str) -> Any:
    node = shutil.which("node", path=search_path())
    assert node is not None
    done = subprocess.run(
        [node, SCRIPT, *arguments],
        cwd=packages,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("place", ["direct", "federated"])
@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_official_task_client_passes(
    packages: Path, request: pytest.FixtureRequest, place: str, revision: str
) -> None:
    address: str = request.getfixturevalue("url" if place == "direct" else "federating")
    found = outcomes(packages, address, revision, "" if place == "direct" else "far__")
    expected = dict(EXPECTED)
    if revision == "2025-11-25":  # there a result with isError is a failure
        expected["failing_job"] = ["task", "failed", "Task failed"]
        if place == "federated":  # any tool of a server with the extension can become a task
            expected["greet"] = ["task", "completed", "Hello, Ada!"]
    assert found == expected
