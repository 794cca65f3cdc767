"""The log in the home: bounded, private, and written by one gateway at a time."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from antigravity.app.home_log_file import HomeLogFile
from antigravity.config.log_files import log_directory, log_paths
from antigravity.config.settings import LogSettings
from antigravity.daemon.log_output import TeeFile

SMALL = LogSettings(max_bytes=65536, keep=2)


def test_log_stays_within_its_bounds(tmp_path: Path) -> None:
    log = HomeLogFile(tmp_path, SMALL)
    for number in range(100):
        log.write(f"{number:03} {'x' * 8000}\n")
    log.close()
    paths = log_paths(tmp_path)
    assert [path.name for path in paths] == [
        "antigravity.log",
        "antigravity.log.1",
        "antigravity.log.2",
    ]
    assert sum(path.stat().st_size for path in paths) <= 3 * (65536 + 8100)
    assert paths[0].read_text().splitlines()[-1].startswith("099 ")
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE(log_directory(tmp_path).stat().st_mode) == 0o700


def test_log_is_not_kept_if_it_is_switched_off(tmp_path: Path) -> None:
    log = HomeLogFile(tmp_path, replace(SMALL, file=False))
    log.write("one\n")
    assert log_paths(tmp_path) == []
    log.settings = SMALL
    log.write("two\n")
    log.settings = replace(SMALL, file=False)
    log.write("three\n")
    assert log_paths(tmp_path)[0].read_text() == "two\n"
    log.close()


def test_second_gateway_does_not_write_into_the_log_of_the_first(tmp_path: Path) -> None:
    first, second = HomeLogFile(tmp_path, SMALL), HomeLogFile(tmp_path, SMALL)
    first.write("first\n")
    second.write("second\n")
    assert "another gateway" in second.problem
    first.close()
    assert log_paths(tmp_path)[0].read_text() == "first\n"
    third = HomeLogFile(tmp_path, SMALL)
    third.write("third\n")
    third.close()
    assert log_paths(tmp_path)[0].read_text() == "first\nthird\n"


def test_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log_directory(tmp_path).write_text("a file")
    log = HomeLogFile(tmp_path, SMALL)
    log.write("one\n")
    assert "cannot be written" in log.problem
    log.write("two\n")
    log.close()


def test_second_place_of_a_tee_gets_lines_that_the_first_refuses() -> None:
    screen, kept = io.StringIO(), list[str]()
    tee = TeeFile(screen, kept.append)
    tee.write("a\n")
    assert (screen.getvalue(), kept) == ("a\n", ["a\n"])
    screen.close()
    with pytest.raises(ValueError, match="closed"):
        tee.write("b\n")
    assert kept == ["a\n", "b\n"]
