"""``antigravity logs``: the last lines of the log, and those that follow."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest

from antigravity.cli import logs
from antigravity.config.log_files import log_directory
from tests.cli.builders import Run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    log_directory(tmp_path / "home").mkdir(parents=True)
    return tmp_path / "home"


def test_last_lines_come_from_older_files_too(run: Run, home: Path) -> None:
    directory = log_directory(home)
    (directory / "antigravity.log").write_text("five\nsix \x1b[31mred\n")
    (directory / "antigravity.log.1").write_text("three\nfour\n")
    (directory / "antigravity.log.2").write_text("one\ntwo\n")
    assert run("logs", "-n", "3").out.splitlines()[:2] == ["four", "five"]
    everything = run("logs").out
    assert everything.splitlines()[:5] == ["one", "two", "three", "four", "five"]
    assert "\x1b" not in everything
    assert run("logs", "-n", "1", "--json").json["line"].startswith("six")
    assert run("logs", "-n", "0").out == ""


def test_missing_log_is_explained(run: Run) -> None:
    result = run("logs")
    assert result.code == 1
    assert "no gateway has run there" in result.err


def test_new_lines_are_followed_over_a_rotation(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log_directory(home) / "antigravity.log"
    path.write_text("old\n")

    def append(text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    def rotate() -> None:
        path.rename(path.with_suffix(".log.1"))
        path.write_text("last\n")

    steps = iter([lambda: append("one\nhal"), lambda: append("f\n"), rotate])
    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=lambda seconds: next(steps)()))
    with closing(logs.follow_lines(home, [path])) as lines:
        found = list(islice(lines, 3))
    assert found == ["one", "half", "last"]
