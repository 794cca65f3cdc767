"""The programs that the examples in ``etc/`` are for: where they are, and why one is missing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

#: What ``make test-deployment`` installs.
INSTALLED = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-deployment") / "bin"
REMEDY = {"nginx": "apt-get install nginx"}


def find(name: str) -> str:
    """Return the path of a program; skip the test if it is missing."""
    found = shutil.which(name, path=str(INSTALLED)) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}: {REMEDY.get(name, 'make test-deployment installs it')}")
    return found
