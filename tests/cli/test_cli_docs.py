"""``antigravity docs`` opens the built documentation, or says how to build it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from antigravity.cli import documentation
from antigravity.cli.main import antigravity


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documentation, "DOCUMENTATION", tmp_path)
    return tmp_path


def test_address_of_first_page_is_printed(folder: Path) -> None:
    page = folder / "index.html"
    page.write_text("<h1>Welcome</h1>")
    done = CliRunner().invoke(antigravity, ["docs", "--print"])
    assert (done.exit_code, done.output.strip()) == (0, page.as_uri())
    done = CliRunner().invoke(antigravity, ["docs", "--json"])
    assert json.loads(done.output) == {"url": page.as_uri()}


def test_missing_documentation_is_explained(folder: Path) -> None:
    done = CliRunner().invoke(antigravity, ["docs", "--print"])
    assert done.exit_code == 1
    assert "make docs" in done.output
