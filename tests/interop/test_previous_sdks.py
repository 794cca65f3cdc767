"""The same tests with the SDKs' previous major versions, which many programs still pin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: It is beside the environment that is running.
PREVIOUS = Path(f"{sys.prefix}-previous")
MAJORS = {"openai": "2", "anthropic": "1", "google-genai": "2"}
ASK = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


@pytest.mark.skipif(
    os.environ.get("ANTIGRAVITY_TEST_URL") is not None, reason="this is the run for one generation"
)
def test_previous_sdks_pass(url: str, tmp_path: Path) -> None:
    python = PREVIOUS / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {PREVIOUS.name}; make environments makes it")
    for package, major in MAJORS.items():
        found = subprocess.run(
            [python, "-c", ASK, package], capture_output=True, text=True, check=True
        )
        assert found.stdout.partition(".")[0] == major, package
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "--tb=short"),
            *(f"--junit-xml={tmp_path / 'report.xml'}", HERE),
        ],
        env={**os.environ, "ANTIGRAVITY_TEST_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    sys.stdout.write(done.stdout[-20_000:])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    (suite,) = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert int(suite.attrib["tests"]) > int(suite.attrib["skipped"])
