"""A gateway that offers everything, in a process of its own, and clients in theirs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_STARTS_WITHIN: Final = 30.0


@contextmanager
def offering_everything(folder: Path, *relayed: str) -> Iterator[str]:
    """Run it, and yield the address of its endpoint; its log must hold no traceback.

    With the address of another one as ``relayed``, it is a relay to that one.
    """
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.mcp.conformance_gateway", *relayed],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd=folder,
        )
        try:
            deadline = time.monotonic() + _STARTS_WITHIN
            while not (said := re.search(r"^serving (\S+)/mcp$", log.read_text(), re.MULTILINE)):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            path = "/mcp/web_search_prime/mcp" if relayed else "/mcp"
            yield f"{said[1]}{path}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
    all_said = log.read_text()
    assert "Traceback" not in all_said, all_said[-5000:]
    assert "Unhandled" not in all_said, all_said[-5000:]


def asked(python: Path | str, script: str, *arguments: str) -> dict[str, Any]:
    """Run one of the clients here, and return what it was answered."""
    done = subprocess.run(
        [python, "-m", f"tests.mcp.{script}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=_environment(),
    )
    assert done.returncode == 0, done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    local = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **local, "PYTHONPATH": str(ROOT)}
