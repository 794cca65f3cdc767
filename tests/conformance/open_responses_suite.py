"""The compliance suite of Open Responses, fetched with git and run with Bun.

It is in no package registry.  ``OPEN_RESPONSES_SUITE`` names another repository to fetch it from,
such as a copy on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.npm import CACHE, UnavailableError, ensure_node, search_path

SOURCE: Final = "https://github.com/openresponses/openresponses"
#: The specification of 2026-04-24, with WebSocket and compaction.
COMMIT: Final = "92c12d96d7b61d6d15e2214daa5e9c6000ab6e1c"
#: The suite runs with Bun, and checks what it receives with Zod.
PACKAGES: Final = ("bun@1.3.12", "zod@3.25.76")
_FOLDER: Final = CACHE / f"open-responses-{COMMIT[:12]}"
_PROGRAM: Final = _FOLDER / "suite" / "bin" / "compliance-test.ts"
_BUN: Final = _FOLDER / "node_modules" / ".bin" / "bun"


@dataclass(frozen=True)
class Results:
    """The ids of the tests of one run by their outcome; ``complaints`` say what failed."""

    passed: frozenset[str]
    skipped: frozenset[str]
    complaints: tuple[str, ...]


def install() -> None:
    """Fetch the suite and what it needs, if they are not there.

    :raises UnavailableError: if that is not possible.
    """
    ensure_node()
    if not _PROGRAM.exists():
        _fetch(os.environ.get("OPEN_RESPONSES_SUITE") or SOURCE)
    if not _BUN.exists():
        npm = shutil.which("npm", path=search_path())
        if npm is None:
            raise UnavailableError("there is no npm to install what the suite needs")
        options = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        command = [npm, "install", *options, "--prefix", str(_FOLDER), "--save-exact", *PACKAGES]
        _run(command, _FOLDER, "npm cannot install what the suite needs")


def run(url: str, model: str) -> Results:
    """Run all tests against a gateway, and return their results."""
    arguments = ("--base-url", f"{url}/v1", "--api-key", "sk-test", "--model", model, "--json")
    done = subprocess.run(
        [_BUN, "run", _PROGRAM, *arguments],
        cwd=_PROGRAM.parents[1],
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    begin = done.stdout.find("{")
    assert begin >= 0, done.stdout[-2000:] + done.stderr[-2000:]
    results: list[dict[str, Any]] = json.loads(done.stdout[begin:])["results"]
    return Results(
        passed=frozenset(each["id"] for each in results if each["status"] == "passed"),
        skipped=frozenset(each["id"] for each in results if each["status"] == "skipped"),
        complaints=tuple(
            f"{each['id']}: {complaint[:1000]}"
            for each in results
            if each["status"] == "failed"
            for complaint in each.get("errors") or ["failed"]
        ),
    )


def _fetch(source: str) -> None:
    """Put one commit of the suite into a folder."""
    git = shutil.which("git", path=search_path())
    if git is None:
        raise UnavailableError("there is no git to fetch the Open Responses suite")
    folder = _FOLDER / "suite"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for arguments in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth=1", source, COMMIT),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        _run([git, *arguments], folder, f"git cannot fetch {source}")


def _run(command: Sequence[str | Path], folder: Path, complaint: str) -> None:
    environment = {**os.environ, "PATH": search_path(), "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{complaint} within {error.timeout:.0f} s") from error
    if done.returncode:
        raise UnavailableError(f"{complaint}: {done.stderr.strip()[-400:]}")
