"""The official conformance suite for MCP servers and clients, installed with npm and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.mcp_processes import ROOT
from tests.support.npm import CACHE, UnavailableError, ensure_node, search_path

PACKAGE: Final = "@modelcontextprotocol/conformance"
#: The release, and the one that knows the newest revision too.
VERSIONS: Final = ("0.1.16", "0.2.0-alpha.12")


@dataclass
class Figures:
    """What a run has found: the checks of every scenario by their outcome."""

    scenarios: dict[str, Counter[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many scenarios have nothing to complain about."""
        return sum(not each["FAILURE"] and not each["WARNING"] for each in self.scenarios.values())

    def __str__(self) -> str:
        checks = sum(each["SUCCESS"] for each in self.scenarios.values())
        return f"{self.passed} of {len(self.scenarios)} scenarios passed, with {checks} checks"


def program(version: str) -> Path:
    """Return the suite's program, after installing it if it is not there.

    :raises UnavailableError: if that is not possible.
    """
    folder = installed(f"conformance-{version}", f"{PACKAGE}@{version}")
    return folder / "node_modules" / PACKAGE / "dist" / "index.js"


def installed(name: str, *packages: str) -> Path:
    """Return a folder with npm packages, after installing them if they are not there.

    :raises UnavailableError: if that is not possible.
    """
    ensure_node()
    folder = CACHE / name
    done_before = folder / "package-lock.json"
    if done_before.exists():
        return folder
    npm = shutil.which("npm", path=search_path())
    if npm is None:
        raise UnavailableError(f"there is no npm to install {', '.join(packages)}")
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    done = subprocess.run(
        [npm, "install", *options, "--prefix", folder, "--save-exact", *packages],
        cwd=folder,
        env={**os.environ, "PATH": search_path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode or not done_before.exists():
        raise UnavailableError(f"npm cannot install {packages}: {done.stderr.strip()[-400:]}")
    return folder


def run(version: str, url: str, arguments: Sequence[str], folder: Path) -> Figures:
    """Run the suite against a server, and return what it found."""
    return _run(version, ("server", "--url", url, *arguments), folder)


def run_client(version: str, command: str, arguments: Sequence[str], folder: Path) -> Figures:
    """Run the suite against a client, the program that ``command`` starts."""
    options = ("client", "--command", command, "--timeout", "120000", *arguments)
    return _run(version, options, folder)


def _run(version: str, arguments: Sequence[str], folder: Path) -> Figures:
    node = shutil.which("node", path=search_path())
    assert node is not None
    local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    done = subprocess.run(
        [node, program(version), *arguments, "-o", folder],
        env={**os.environ, **local, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    figures = Figures()
    for results in sorted(folder.glob("**/checks.json")):
        scenario = results.parent.name.removeprefix("server-").partition("-20")[0]
        outcomes = figures.scenarios.setdefault(scenario, Counter())
        for check in json.loads(results.read_text()):
            outcomes[check["status"]] += 1
            if check["status"] in ("FAILURE", "WARNING"):
                why = check.get("errorMessage") or check["description"]
                figures.complaints.append(f"{scenario}: {check['id']}: {why}")
    assert figures.scenarios, done.stdout[-2000:] + done.stderr[-2000:]
    return figures
