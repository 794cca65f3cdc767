"""The record of the running gateway: who wrote it, and whether it is stale."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from antigravity.config.running_gateway import (
    RunningGateway,
    find_running_gateway,
    process_start,
    record_path,
    remove_running_gateway,
    write_running_gateway,
)


def own(**fields: object) -> RunningGateway:
    pid = os.getpid()
    return RunningGateway(pid, process_start(pid), ("http://127.0.0.1:1",), **fields)  # type: ignore[arg-type]


def test_record_of_this_process_is_found_until_it_is_removed(tmp_path: Path) -> None:
    assert find_running_gateway(tmp_path) is None
    record = own(version="1", demo=True)
    assert write_running_gateway(tmp_path, record) is None
    assert find_running_gateway(tmp_path) == record
    assert stat.S_IMODE(record_path(tmp_path).stat().st_mode) == 0o600
    remove_running_gateway(tmp_path, record.pid + 1)
    assert find_running_gateway(tmp_path) == record
    remove_running_gateway(tmp_path, record.pid)
    assert not record_path(tmp_path).exists()


def test_record_of_an_ended_process_is_stale(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = RunningGateway(process.pid, process_start(process.pid))
        assert write_running_gateway(tmp_path, other) is None
        assert find_running_gateway(tmp_path) == other
        assert write_running_gateway(tmp_path, own()) == other
        process.communicate(b"\n")
    assert find_running_gateway(tmp_path) is None
    assert write_running_gateway(tmp_path, own()) is None
    assert find_running_gateway(tmp_path) == own()


def test_record_of_an_earlier_process_with_the_same_number_is_stale(tmp_path: Path) -> None:
    assert write_running_gateway(tmp_path, RunningGateway(os.getpid(), "an earlier start")) is None
    assert find_running_gateway(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "1"}', '{"pid": -1}', '{"pid": 0}'])
def test_unreadable_record_is_ignored(tmp_path: Path, text: str) -> None:
    path = record_path(tmp_path)
    path.parent.mkdir()
    path.write_text(text)
    assert find_running_gateway(tmp_path) is None


def test_missing_home_is_not_created(tmp_path: Path) -> None:
    assert write_running_gateway(tmp_path / "none", own()) is None
    assert not (tmp_path / "none").exists()
