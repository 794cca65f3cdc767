"""The small plugins in examples/ pass their own tests, as their authors would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Another test installs the plugin with an example of everything.
NAMES = sorted(
    path.name for path in EXAMPLES.iterdir() if path.name != "antigravity-plugin-example"
)


def test_examples_are_found() -> None:
    assert NAMES == ["antigravity-mask", "antigravity-parley", "antigravity-spending"]


@pytest.mark.parametrize("name", NAMES)
def test_plugin_passes_its_tests(name: str) -> None:
    folder = EXAMPLES / name
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
