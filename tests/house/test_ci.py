"""The continuous integration finds the Pythons that really run, and each of them once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash")


def add_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def found(folder: Path) -> list[str]:
    """Return what is found on a ``PATH`` of one folder besides the system's tools."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("bash", "ls", "sort", "env"):
        program = shutil.which(name)
        assert program is not None
        (tools / name).symlink_to(program)
    environ = {"PATH": f"{folder / 'bin'}:{tools}", "PYENV_ROOT": str(folder / "pyenv")}
    done = subprocess.run(
        [str(BASH), str(CI / "pythons")], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_pythons_finds_each_version_once_in_order(tmp_path: Path) -> None:
    first = add_program(tmp_path / "bin" / "python3.13", "echo 3.13")
    add_program(tmp_path / "pyenv" / "versions" / "3.13.9" / "bin" / "python", "echo 3.13")
    oldest = add_program(tmp_path / "pyenv" / "versions" / "3.9-x" / "bin" / "python", "echo 3.11")
    newest = add_program(tmp_path / "bin" / "python3", "echo 3.100")
    assert found(tmp_path) == [f"3.11 {oldest}", f"3.13 {first}", f"3.100 {newest}"]


def test_pythons_ignores_failing_shims_and_other_names(tmp_path: Path) -> None:
    add_program(tmp_path / "bin" / "python3.12", "echo 3.12; exit 127")
    add_program(tmp_path / "bin" / "python3.13-config", "echo 3.13")
    add_program(tmp_path / "bin" / "python3.13t", "echo 3.13")
    add_program(tmp_path / "bin" / "python3", "echo Python 3.13")
    assert found(tmp_path) == []


def test_pythons_finds_running_interpreter(tmp_path: Path) -> None:
    if sys.version_info.releaselevel != "final":
        pytest.skip("this is no final release")
    program = add_program(tmp_path / "bin" / "python3", f'exec "{sys.executable}" "$@"')
    assert found(tmp_path) == [f"{sys.version_info[0]}.{sys.version_info[1]} {program}"]


def test_ci_scripts_are_executable_and_valid() -> None:
    for name in ("run", "pythons"):
        assert os.access(CI / name, os.X_OK)
        subprocess.run([str(BASH), "-n", str(CI / name)], check=True)


def test_ci_fails_when_any_version_fails(tmp_path: Path) -> None:
    """With stand-ins for make and the interpreters."""
    (tmp_path / ".ci").mkdir()
    for name in ("run", "pythons"):
        shutil.copy(CI / name, tmp_path / ".ci" / name)
    versions = tmp_path / "pyenv" / "versions"
    for minor in (11, 12, 13):
        add_program(versions / f"3.{minor}" / "bin" / "python", f"echo 3.{minor}")
    add_program(tmp_path / "tools" / "make", 'echo "$@"; case "$*" in *3.12*) exit 2;; esac')
    add_program(tmp_path / "tools" / "valgrind", "")
    for name in ("bash", "ls", "sort", "env", "dirname"):
        program = shutil.which(name)
        assert program is not None
        (tmp_path / "tools" / name).symlink_to(program)
    environ = {"PATH": str(tmp_path / "tools"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    done = subprocess.run(
        [str(BASH), str(tmp_path / ".ci" / "run")], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert f"test PYTHON={versions}/3.11/bin/python" in lines
    assert f"test-without-sdks PYTHON={versions}/3.13/bin/python VENV=.venv-3.13" in lines
    assert f"instructions PYTHON={versions}/3.11/bin/python" in lines
    assert [line.split(" in ")[0].split(" after ")[0] for line in lines[-4:]] == [
        "Python 3.11, everything: passed",
        "Python 3.11, instructions of fixed requests: passed",
        "Python 3.12, what needs no SDK: FAILED",
        "Python 3.13, what needs no SDK: passed",
    ]


def test_ci_fails_without_valgrind(tmp_path: Path) -> None:
    """With stand-ins for make and the interpreter, and without apt-get."""
    (tmp_path / ".ci").mkdir()
    for name in ("run", "pythons"):
        shutil.copy(CI / name, tmp_path / ".ci" / name)
    add_program(tmp_path / "pyenv" / "versions" / "3.11" / "bin" / "python", "echo 3.11")
    add_program(tmp_path / "tools" / "make", 'echo "$@"')
    for name in ("bash", "ls", "sort", "env", "dirname"):
        program = shutil.which(name)
        assert program is not None
        (tmp_path / "tools" / name).symlink_to(program)
    environ = {"PATH": str(tmp_path / "tools"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    done = subprocess.run(
        [str(BASH), str(tmp_path / ".ci" / "run")], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout
    assert "instructions of fixed requests: FAILED" in done.stdout.splitlines()[-1]
    assert "apt-get" in done.stderr
