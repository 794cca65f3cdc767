"""The continuous integration finds the Pythons that really run, and each of them once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
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


def run_ci(
    folder: Path, make: str, minors: Sequence[int], valgrind: bool = True, chromium: bool = True
) -> Done:
    """Run the script with stand-ins for make and the interpreters, and without apt-get."""
    with started_ci(folder, make, minors, valgrind, chromium) as process:
        out, err = process.communicate()
        return Done(process.args, process.returncode, out, err)


def started_ci(
    folder: Path, make: str, minors: Sequence[int], valgrind: bool = True, chromium: bool = True
) -> subprocess.Popen[str]:
    """Start it; see :func:`run_ci`."""
    (folder / ".ci").mkdir()
    for name in ("run", "pythons"):
        shutil.copy(CI / name, folder / ".ci" / name)
    for minor in minors:
        add_program(folder / "pyenv" / "versions" / f"3.{minor}" / "bin/python", f"echo 3.{minor}")
    add_program(folder / "tools" / "make", f'echo "$@"\n{make}')
    if valgrind:
        add_program(folder / "tools" / "valgrind", "")
    if chromium:
        add_program(folder / "tools" / "chromium", "")
    for name in ("bash", "ls", "sort", "env", "dirname", "rm", "sed", "grep", "mkdir", "sleep"):
        program = shutil.which(name)
        assert program is not None
        (folder / "tools" / name).symlink_to(program)
    environ = {"PATH": str(folder / "tools"), "PYENV_ROOT": str(folder / "pyenv")}
    return subprocess.Popen(
        [str(BASH), str(folder / ".ci" / "run")],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(done: Done, count: int) -> list[str]:
    """Return the last lines, without the times."""
    lines = done.stdout.splitlines()[-count:]
    return [line.split(" in ")[0].split(" after ")[0] for line in lines]


#: Fails the tests of the first run, and keeps their names as pytest does.
FAIL = """
case "$*" in
  test\\ *) mkdir -p build/pytest-3.11/v/cache
    printf '{\\n%s\\n}' '%s' > build/pytest-3.11/v/cache/lastfailed
    exit 2;;
  test-failed*) exit %d;;
esac"""


def failing(*tests: str, again: int = 0) -> str:
    names = ",\n".join(f'  "{test}": true' for test in tests)
    return FAIL.replace("'%s' >", f"'{names}' >").replace("%d", str(again))


def test_ci_fails_when_any_version_fails(tmp_path: Path) -> None:
    done = run_ci(tmp_path, 'case "$*" in *3.12*) exit 2;; esac', (11, 12, 13))
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    versions = tmp_path / "pyenv" / "versions"
    cache = "PYTEST_OPTIONS=-o cache_dir=build/pytest"
    assert f"test PYTHON={versions}/3.11/bin/python {cache}-3.11" in lines
    for version, share in (("3.12", "1/32"), ("3.13", "2/32")):
        expected = f"PYTHON={versions}/{version}/bin/python VENV=.venv-{version} SHARE={share}"
        assert f"test-without-sdks {expected} PARALLEL=-n0 {cache}-{version}" in lines
    assert f"docs PYTHON={versions}/3.11/bin/python" in lines
    assert f"--jobs=2 environments PYTHON={versions}/3.11/bin/python" in lines
    assert f"instructions PYTHON={versions}/3.11/bin/python" in lines
    assert f"test-browser PYTHON={versions}/3.11/bin/python" in lines
    assert results(done, 5) == [
        "Python 3.11, everything: passed",
        "Python 3.11, instructions of fixed requests: passed",
        "Python 3.11, Chromium with the dashboard: passed",
        "Python 3.12, share 1/32 of what needs no SDK: FAILED",
        "Python 3.13, share 2/32 of what needs no SDK: passed",
    ]


def test_ci_names_tests_that_pass_alone(tmp_path: Path) -> None:
    done = run_ci(tmp_path, failing("tests/a.py::test_a", "tests/b.py::test_b[x]"), (11,))
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert results(done, 4)[:2] == [
        "unsteady, but passed alone: tests/a.py::test_a, tests/b.py::test_b[x]",
        "Python 3.11, everything: passed",
    ]


@pytest.mark.parametrize(
    "make",
    [
        failing("tests/a.py::test_a", again=1),
        failing(*(f"tests/a.py::test_{number}" for number in range(4))),
        failing(),
    ],
    ids=["again", "many", "none"],
)
def test_ci_fails_when_tests_fail_again_or_are_many(tmp_path: Path, make: str) -> None:
    done = run_ci(tmp_path, make, (11,))
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert results(done, 3)[0] == "Python 3.11, everything: FAILED"


def test_ci_fails_without_valgrind(tmp_path: Path) -> None:
    done = run_ci(tmp_path, "", (11,), valgrind=False)
    assert done.returncode == 1, done.stdout
    assert results(done, 2)[0] == "Python 3.11, instructions of fixed requests: FAILED"
    assert "apt-get" in done.stderr


def test_ci_passes_without_chromium_and_says_so(tmp_path: Path) -> None:
    done = run_ci(tmp_path, "", (11,), chromium=False)
    assert done.returncode == 0, done.stdout
    assert "the dashboard was not opened in one" in done.stdout
    assert "test-browser" not in done.stdout


def test_ci_fails_when_dashboard_fails_in_chromium(tmp_path: Path) -> None:
    done = run_ci(tmp_path, 'case "$1" in test-browser) exit 2;; esac', (11,))
    assert done.returncode == 1
    assert results(done, 1) == ["Python 3.11, Chromium with the dashboard: FAILED"]


#: Waits until make also runs with the other of two targets.
MEET = """
meet() { : > "met-$1"; i=0; while [ ! -e "met-$2" ]; do
  i=$((i + 1)); [ $i -lt 300 ] || exit 2; sleep 0.1; done; }
case "$1 $2 $3" in
  docs*) meet docs environments;;
  *environments*) meet environments docs;;
  instructions*) meet instructions browser;;
  test-browser*) meet browser instructions;;
  *VENV=.venv-3.12) meet 12 13;;
  *VENV=.venv-3.13) meet 13 12;;
esac"""


def test_ci_runs_parts_on_one_core_at_the_same_time(tmp_path: Path) -> None:
    done = run_ci(tmp_path, MEET, (11, 12, 13))
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert {path.name for path in tmp_path.glob("met-*")} == {
        *("met-docs", "met-environments", "met-browser", "met-instructions", "met-12", "met-13")
    }


@pytest.mark.parametrize(
    ("target", "title"),
    [
        ("docs", "Python 3.11, documentation"),
        ("--jobs=2", "Python 3.11, environments"),
        ("instructions", "Python 3.11, instructions of fixed requests"),
    ],
)
def test_ci_fails_when_part_beside_others_fails(tmp_path: Path, target: str, title: str) -> None:
    done = run_ci(tmp_path, f'[ "$1" != {target} ] || {{ echo reason; exit 2; }}', (11,))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "reason" in lines
    assert [line.split(" after ")[0] for line in lines if "FAILED" in line] == [f"{title}: FAILED"]
    assert sum(": passed in " in line for line in lines[-5:]) == 4


def test_ci_names_unsteady_tests_of_other_pythons(tmp_path: Path) -> None:
    make = failing("tests/a.py::test_a").replace("3.11", "3.12").replace("test\\ *", "*SHARE=*")
    make = make.replace('case "$*" in', 'case "$*" in test-failed*) exit 0;;', 1)
    done = run_ci(tmp_path, make, (11, 12))
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert results(done, 2) == [
        "unsteady, but passed alone: tests/a.py::test_a",
        "Python 3.12, share 1/32 of what needs no SDK: passed",
    ]


def test_ci_stops_parts_when_it_is_stopped(tmp_path: Path) -> None:
    make = 'echo $$ > "pid-$1"; while :; do sleep 0.1; done'
    with started_ci(tmp_path, make, (11,)) as process:
        wait_until(lambda: len(written(tmp_path)) == 2)
        process.terminate()
        assert process.wait(30) == 143
    wait_until(lambda: not any(is_running(pid) for pid in written(tmp_path)))
    assert len(written(tmp_path)) == 2


def written(folder: Path) -> list[int]:
    """Return the processes of make that have written their number."""
    texts = [path.read_text() for path in folder.glob("pid-*")]
    return [int(text) for text in texts if text.endswith("\n")]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
