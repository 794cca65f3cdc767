"""Compare the instructions of fixed requests with budgets: ``python -m bench.instructions``.

The whole gateway serves the requests of ``bench/scenarios.py`` in memory, under callgrind, a tool
of valgrind.  Instructions do not depend on how busy the machine is, but on the version of Python:
each has its own budgets in ``bench/budgets.toml``.  A request fails if it takes 3 % more than its
budget.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.programs import SOURCE

_BUDGETS: Final = Path(__file__).with_name("budgets.toml")
_ALLOWED: Final = 0.03
#: A request that takes so much less has an outdated budget.
_OUTDATED: Final = 0.10
_WARM_UP: Final = 3
_TIMEOUT: Final = 1800
_TOTAL: Final = re.compile(r"^(?:totals|summary): (\d+)$", re.MULTILINE)
#: The C function before whose calls callgrind writes what it has counted; nothing else calls it.
_SEPARATOR: Final = "getloadavg"
_VERSION: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"
_HEAD: Final = """\
# Thousands of instructions of one request of bench/scenarios.py, by version of Python.
# `make instructions UPDATE=1` writes this file.
"""


def _repetitions(name: str) -> int:
    return 4 if name.startswith("session") else 10


def _count_here(more: str) -> None:
    """Serve all requests, and call the separator before and after each measured group."""
    from bench.scenarios import SCENARIOS, GatewayInMemory

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        gateway = GatewayInMemory(home, more)
        requests = {name: spec.request(80) for name, spec in SCENARIOS.items()}
        for name, spec in SCENARIOS.items():
            for _ in range(_WARM_UP):
                gateway.request(spec, requests[name], check=True)
        gc.collect()
        gc.freeze()
        gc.disable()
        for name, spec in SCENARIOS.items():
            os.getloadavg()
            for _ in range(_repetitions(name)):
                gateway.request(spec, requests[name])
            os.getloadavg()


def count(more: str = "") -> dict[str, float]:
    """Return the instructions of one request by name.

    :param more: what is added to the configuration.
    :raises RuntimeError: if they cannot be counted.
    """
    from bench.scenarios import SCENARIOS

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "counts"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}"]
        command += [f"--dump-before={_SEPARATOR}", "--", sys.executable, "-m", "bench.instructions"]
        # Nothing of the environment may change what the interpreter does.
        env = {"PYTHONHASHSEED": "0", "PATH": os.defpath, "HOME": folder, "TMPDIR": folder}
        done = subprocess.run(
            [*command, "--here", "--more", more],
            cwd=SOURCE,
            env=env,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"callgrind: {(done.stdout + done.stderr)[-2000:]}")
        counts = {}
        for number, name in enumerate(SCENARIOS):
            # The odd files have what is between the groups.
            text = Path(f"{file}.{2 * number + 2}").read_text()
            found = _TOTAL.search(text)
            if found is None:
                raise RuntimeError("callgrind wrote no sum")
            counts[name] = int(found[1]) / _repetitions(name)
        return counts


def compare(counts: Mapping[str, float], budgets: Mapping[str, float]) -> list[str]:
    """Print the counts beside their budgets, and return what is wrong."""
    problems = []
    has_outdated = False
    print(f"{'thousands of instructions':<34}{'now':>9}{'budget':>9}{'':>8}")
    for name, value in counts.items():
        now = value / 1000
        budget = budgets.get(name)
        if budget is None:
            print(f"{name:<34}{now:>9,.0f}{'none':>9}")
            problems.append(f"{name} has no budget")
            continue
        change = now / budget - 1
        print(f"{name:<34}{now:>9,.0f}{budget:>9,.0f}{change:>+8.1%}")
        if change > _ALLOWED:
            problems.append(f"{name} takes {change:.1%} more than its budget")
        has_outdated = has_outdated or change < -_OUTDATED
    problems += [f"there is no request for the budget {n}" for n in budgets.keys() - counts.keys()]
    if has_outdated:
        print("Some requests take far less than their budget: make instructions UPDATE=1")
    return problems


def _read() -> dict[str, Any]:
    return tomllib.loads(_BUDGETS.read_text()) if _BUDGETS.exists() else {}


def _build() -> str:
    return f"{platform.python_version()}, {platform.python_compiler()}, {platform.machine()}"


def _write(counts: Mapping[str, float]) -> None:
    """Write the budgets of this version of Python, and keep those of the others."""
    new = {name: round(value / 1000) for name, value in counts.items()}
    tables = _read() | {_VERSION: {"build": _build(), "budgets": new}}
    lines = [_HEAD]
    for version, table in sorted(tables.items()):
        lines += [f'["{version}"]', f'build = "{table["build"]}"', "", f'["{version}".budgets]']
        lines += [*(f'"{name}" = {value}' for name, value in table["budgets"].items()), ""]
    _BUDGETS.write_text("\n".join(lines))


def main() -> None:
    """Count, and compare with the budgets or write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the budgets")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--more", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        _count_here(arguments.more)
        return
    if shutil.which("valgrind") is None:
        print("Instructions are not counted: valgrind is not installed.")
        return
    table = _read().get(_VERSION)
    if table is None and not arguments.update:
        print(f"Instructions are not counted: there are no budgets for Python {_VERSION}.")
        return
    counts = count()
    problems = compare(counts, table["budgets"] if table else {})
    if arguments.update:
        _write(counts)
        print(f"wrote {_BUDGETS.name}")
    elif problems:
        build = table["build"] if table else ""
        if build != _build():
            print(f"The budgets are those of another Python: {build}; here: {_build()}")
        raise SystemExit("; ".join(problems))


if __name__ == "__main__":
    main()
