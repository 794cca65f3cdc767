"""Environments with Python clients at exact versions, in a folder of the checkout."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.npm import CACHE, UnavailableError

ROOT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = ROOT / "tests" / "clients" / "requirements"
_PYTHON: Final = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")


def ensure_environment(name: str) -> Path:
    """Return the Python of an environment with ``requirements/NAME.txt``.

    It is created if there is none, and again if the file or this Python has changed.

    :raises UnavailableError: if that is not possible.
    """
    return _ensure(CACHE / "python" / name, REQUIREMENTS / f"{name}.txt", _uv())


def _uv() -> Sequence[str] | None:
    """Return the command of uv, which installs several times as fast as pip."""
    python = _ensure(CACHE / "python" / "uv", ROOT / "requirements" / "lock.txt", None)
    return (str(python), "-m", "uv", "--no-config", "pip", "install", "--quiet")


def _ensure(folder: Path, requirements: Path, uv: Sequence[str] | None) -> Path:
    wanted = sys.version + hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / "installed"
    python = folder.joinpath(*_PYTHON)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    _run(requirements, [sys.executable, "-m", "venv", "--clear", str(folder)])
    install = [*uv, "--python", str(python)] if uv else _pip(python)
    _run(requirements, [*install, "--require-hashes", "--requirement", str(requirements)])
    stamp.write_text(wanted)
    return python


def _pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(requirements: Path, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"{requirements.name} was not installed within {error.timeout:.0f} s"
        ) from error
    if done.returncode:
        raise UnavailableError(f"cannot install {requirements.name}: {done.stderr.strip()[-400:]}")
