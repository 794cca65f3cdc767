"""The two benchmarks of several gateways work, with small numbers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import postgres, redis

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(bool(redis.why_absent()), reason=redis.why_absent() or "-")
def test_simulation_runs_through_all_phases() -> None:
    found = run("bench.simulate_gateways", "--gateways", "4", "--period", "0.5", "--limits", "10")
    for title in ("4 gateways", "1 join", "1 are killed", "Redis is back, empty", "after that"):
        assert title in found


@pytest.mark.skipif(
    bool(redis.why_absent() or postgres.why_absent() or shutil.which("nginx") is None),
    reason="it needs Redis, PostgreSQL and nginx",
)
def test_two_machines_survive_accidents() -> None:
    found = run(
        "bench.two_machines",
        *("--requests", "40", "--parallel", "8", "--machines", "--lenient"),
    )
    assert "Failures that another gateway could have avoided" in found
    assert "Committed rows lost" in found
