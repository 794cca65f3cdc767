"""Commands run in this process, on a fresh home."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli_kit import Result, Run

from antigravity.cli.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a fresh home."""
    monkeypatch.setenv("ANTIGRAVITY_HOME", str(tmp_path / "home"))

    def run(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(arguments)
        captured = capsys.readouterr()
        assert "Veiled" not in captured.out + captured.err
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return run
