"""Write the files of exact versions with hashes: ``make lock``, ``make lock-clients``.

Those beside this script are resolved from ``setup.cfg`` and ``pyproject.toml``, and those of the
clients in ``tests/clients/requirements`` from the ``.in`` files there, for all platforms and all
supported versions of Python at once.  Versions that are in a file already are kept as long as they
fit; ``LOCK_OPTIONS=--upgrade`` takes the newest.  It needs uv, and the package index; what tests
need of this module works offline, with the standard library alone.
"""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

#: The files, in the order in which they are made: of which extras, or of ``NAME.in``, and whose
#: versions they share.
FILES: dict[str, tuple[tuple[str, ...] | None, str | None]] = {
    "test": (("test",), None),
    "test-without-sdks": (("test-without-sdks",), "test"),
    "run": ((), "test"),
    "mp3": (("mp3",), "test"),
    "postgres": (("postgres",), "test"),
    "otel": (("otel",), "test"),
    "redis": (("redis",), "test"),
    "docs": (("docs",), None),
    "test-browser": (("test-browser",), "test"),
    "previous": (None, None),
    "lock": (None, None),
    "release": (None, None),
    "deployment": (None, None),
}
#: The requirements of the clients that ``make test-clients`` runs: one environment for each.
CLIENTS = ROOT / "tests" / "clients" / "requirements"
CLIENT_FILES = tuple(sorted(path.stem for path in CLIENTS.glob("*.in")))
#: Not for everyone or every platform: files of their own, that are installed beside another one.
ADDITIONS = ("mp3", "otel", "postgres", "redis")

_WANTED = "# For: "
_TITLE = "# Exact versions with hashes, made by `make lock`: do not edit.\n"


def file_of(name: str, suffix: str = ".txt") -> Path:
    """Return a file of requirements, or of what they are resolved from."""
    return (CLIENTS if name in CLIENT_FILES else HERE) / f"{name}{suffix}"


def _lines(text: str) -> list[str]:
    """Return the requirements in a text."""
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def wanted(name: str) -> list[str]:
    """Return the requirements that a file is made for, in order."""
    extras, _ = FILES.get(name, (None, None))
    if extras is None:
        return sorted(_lines(file_of(name, ".in").read_text("utf-8")))
    setup = configparser.ConfigParser()
    setup.read_string((ROOT / "setup.cfg").read_text("utf-8"))
    project = setup["metadata"]["name"]
    found: set[str] = set()
    if name not in ADDITIONS:
        project_file = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        found.update(project_file["build-system"]["requires"])
        found.update(_lines(setup["options"]["install_requires"]))
    waiting = list(extras)
    while waiting:
        for line in _lines(setup["options.extras_require"][waiting.pop()]):
            # One extra may be part of another one.
            if own := re.fullmatch(rf"{re.escape(project)}\[([^\]]+)\]", line):
                waiting += own[1].split(",")
            else:
                found.add(line)
    return sorted(found)


def header(name: str) -> str:
    """Return how a file begins, if it is up to date: what it was made for is in it."""
    return _TITLE + "".join(f"{_WANTED}{line}\n" for line in wanted(name))


def oldest_python() -> str:
    """Return the oldest version of Python that is supported."""
    setup = configparser.ConfigParser()
    setup.read_string((ROOT / "setup.cfg").read_text("utf-8"))
    return setup["options"]["python_requires"].removeprefix(">=")


def _resolve(name: str, options: Sequence[str]) -> None:
    target = file_of(name)
    _, followed = FILES.get(name, (None, None))
    follow = ["--constraint", f"{HERE.name}/{followed}.txt"] if followed else []
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "--no-config", "pip", "compile", "--quiet"),
            *("--universal", "--python-version", oldest_python(), "--generate-hashes"),
            *(
                "--no-header",
                "--no-annotate",
                "--no-strip-extras",
                "--output-file",
                str(target),
                *follow,
                *options,
            ),
            "-",
        ],
        cwd=ROOT,
        input="".join(f"{line}\n" for line in wanted(name)),
        text=True,
        check=True,
    )
    text = target.read_text("utf-8")
    target.write_text(header(name) + "\n" + text.removeprefix(header(name) + "\n"), "utf-8")


if __name__ == "__main__":
    chosen, options = list(FILES), sys.argv[1:]
    if options[:1] == ["clients"]:
        chosen, options = list(CLIENT_FILES), options[1:]
    for file in chosen:
        _resolve(file, options)
