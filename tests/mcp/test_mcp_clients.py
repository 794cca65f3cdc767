"""The official Python client, in its two generations and all its modes, against the gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mcp_processes import asked, offering_everything

pytestmark = pytest.mark.usefixtures("with_sdks")

#: The environment with the previous SDKs is beside the one that is running.
ENVIRONMENT = Path(f"{sys.prefix}-previous")
PREVIOUS = ENVIRONMENT / "bin" / "python"
LOGGED = ["Tool execution started", "Tool processing data", "Tool execution completed"]
YES = '{"name": "Ada", "response": "yes"}'
#: What the answers have in common.
COMMON = {
    "simple": [False, ["This is a simple text response for testing."]],
    "failing": [True, ["This tool intentionally returns an error for testing"]],
    "progress": [False, ["Done."]],
    "elicitation": [False, [f"User response: action=accept, content={YES}"]],
    "sampling": [False, ["LLM response: Paris"]],
    "logging": [False, ["Logged three times."]],
    "unknown tool": -32602,
    "logged": LOGGED,
    "reported": [0.0, 50.0, 100.0],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with offering_everything(tmp_path_factory.mktemp("everything")) as address:
        yield address


@pytest.fixture(scope="module")
def relay(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another gateway before it, which hands everything on."""
    with offering_everything(tmp_path_factory.mktemp("relay"), url) as address:
        yield address


@pytest.fixture(scope="module", params=["direct", "relayed"])
def place(request: pytest.FixtureRequest) -> str:
    """The address of the gateway, or of the one before it."""
    name = "url" if request.param == "direct" else "relay"
    return str(request.getfixturevalue(name))


def common(found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in COMMON}


#: The revision that the current client speaks, by its mode.
REVISIONS = {"auto": "2026-07-28", "2026-07-28": "2026-07-28", "legacy": "2025-11-25"}


@pytest.fixture(scope="module")
def answers(place: str) -> dict[str, dict[str, Any]]:
    """What the current client was answered, by mode, in one process: it takes long to start."""
    return asked(sys.executable, "sdk_client", place, *REVISIONS)


@pytest.mark.parametrize("mode", REVISIONS)
def test_current_sdk_client_passes(answers: dict[str, dict[str, Any]], mode: str) -> None:
    check(answers[mode], mode, REVISIONS[mode])


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_current_sdk_client_passes_over_bridge(url: str, mode: str, revision: str) -> None:
    check(asked(sys.executable, "sdk_client_over_bridge", url, mode), mode, revision)


def check(found: dict[str, Any], mode: str, revision: str) -> None:
    """Check what the current client was answered."""
    assert found["revision"] == revision
    assert "test_simple_text" in found["tools"]
    assert common(found) == COMMON
    assert found["picture"] == [False, ["image"]]
    assert found["wrong arguments"][0] is True
    assert "$.prompt" in found["wrong arguments"][1][0]
    assert found["mirrored"] == [False, ['{"region": "Z\\u00fcrich ", "query": "q"}']]
    answer = f"action=accept, content={YES}"
    assert found["two rounds"] == [False, [f"{answer}; {answer}"]]
    assert found["prompt"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert found["resource"] == "7"
    heard = [] if mode == "legacy" else ["ResourceUpdated", "ToolsListChanged"]
    assert found["changed"] == heard


def test_previous_sdk_client_passes(place: str) -> None:
    if not PREVIOUS.exists():
        pytest.skip(f"there is no {ENVIRONMENT.name}; make environments makes it")
    find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('mcp') is None)"
    if subprocess.run([PREVIOUS, "-c", find], capture_output=True, check=False).returncode:
        pytest.skip(f"{ENVIRONMENT.name} has no mcp; make environments installs it")
    found = asked(PREVIOUS, "sdk_client_previous", place)
    assert found["revision"] == "2025-11-25"
    assert found["session"] is True
    assert common(found) == COMMON
    # What it had missed while it was cut off came when it was back.
    assert found["reconnection"] == [False, ["You came back for this."]]
    assert found["tasks"] == [
        ["completed", "Computed  in 0 seconds."],
        ["completed", "Deleted."],
        "cancelled",
        True,
    ]
    assert found["quiet"] == [False, ["Logged three times."]]
    assert found["changed"] == [
        "notifications/resources/updated",
        "notifications/tools/list_changed",
    ]
