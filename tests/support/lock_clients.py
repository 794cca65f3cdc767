"""Write the versions of the clients that ``make test-clients`` installs.

``python -m tests.support.lock_clients`` brings ``tests/clients/js/package-lock.json`` up to date
with ``package.json``; with ``--upgrade`` both, and the programs in ``npm.py``, get the newest
versions.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support import npm

LIBRARIES: Final = Path(__file__).parents[1] / "clients" / "js"
_QUIET: Final = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def _npm(*arguments: str) -> str:
    done = subprocess.run(
        ["npm", *arguments, *_QUIET],
        cwd=LIBRARIES,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.stdout.strip()


def lock_libraries(*, upgrade: bool) -> None:
    """Write the lock file of the libraries, without the addresses of a registry."""
    found = json.loads((LIBRARIES / "package.json").read_text())["dependencies"]
    wanted = [f"{name}@latest" for name in found] if upgrade else []
    options = ("--package-lock-only", "--save-exact", "--omit-lockfile-registry-resolved")
    _npm("install", *options, *wanted)


def upgrade_programs() -> None:
    """Write the newest versions of Node and of the command line clients into ``npm.py``."""
    file = Path(npm.__file__)
    text = file.read_text()
    for package in (npm.NODE, *npm.PACKAGES.values()):
        name = package.rpartition("@")[0]
        newest = _npm("view", name, "version")
        text = re.sub(rf'"{re.escape(name)}@[^"]+"', f'"{name}@{newest}"', text)
    file.write_text(text)


if __name__ == "__main__":
    with_newest = "--upgrade" in sys.argv[1:]
    lock_libraries(upgrade=with_newest)
    if with_newest:
        upgrade_programs()
