"""The record of the configuration in force, for the next start and for ``doctor``.

The record is ``state/configuration.json`` in the home directory.  It holds no secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.config.atomic import write_atomically

STATE_NAME: Final = "state"
RECORD_NAME: Final = "configuration.json"


class LastRun(Struct, frozen=True):
    """The configuration of the last run.

    ``file`` is the configuration file, empty if none was read.  ``auth_mode`` is the mode in force.
    ``problem`` is the reason why a newer configuration is not in force.
    """

    file: str = ""
    auth_mode: str = "off"
    problem: str = ""


def last_run_path(home: Path) -> Path:
    """Return the path of the record in a home directory."""
    return home / STATE_NAME / RECORD_NAME


def read_last_run(home: Path) -> LastRun | None:
    """Return the record, or ``None`` if it cannot be read."""
    try:
        return msgspec.json.decode(last_run_path(home).read_bytes(), type=LastRun)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None


def write_last_run(home: Path, last_run: LastRun) -> None:
    """Write the record if it has changed.  A missing home is not created.

    :raises OSError: if it cannot be written.
    """
    if not home.is_dir() or read_last_run(home) == last_run:
        return
    path = last_run_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, msgspec.json.encode(last_run))


def explain_missing_settings(what: str, home: Path) -> str:
    """Return the error for a start without the settings that required a key in the last run."""
    return (
        f"{what}, but the gateway required a key when it ran last. Restore the file, or write one "
        f"that sets proxy.auth_mode. To start without a key, for everyone on this machine, remove "
        f"{last_run_path(home)} first"
    )
