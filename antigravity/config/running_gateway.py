"""The record that a running gateway leaves in its home, so that commands find it.

The record is ``state/gateway.json`` in the home directory.  It holds no secret.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.config.atomic import write_private
from antigravity.config.last_run import STATE_NAME

RECORD_NAME: Final = "gateway.json"


class RunningGateway(Struct, frozen=True):
    """A gateway that runs.

    ``process_start`` identifies the process together with ``pid``, because the system uses the
    numbers of ended processes again; empty if the platform does not tell.  ``addresses`` are base
    URLs that are reachable from this machine; a gateway on a UNIX socket has none.
    ``configuration`` is the path of its configuration file.  ``started`` is in seconds since 1970.
    """

    pid: int
    process_start: str = ""
    addresses: tuple[str, ...] = ()
    configuration: str = ""
    started: float = 0.0
    version: str = ""
    demo: bool = False


def record_path(home: Path) -> Path:
    """Return the path of the record in a home directory."""
    return home / STATE_NAME / RECORD_NAME


def find_running_gateway(home: Path) -> RunningGateway | None:
    """Return the gateway that runs in ``home``, or ``None``.

    A record whose process has ended, or that cannot be read, is ignored.
    """
    record = _read(home)
    return record if record is not None and _is_alive(record) else None


def write_running_gateway(home: Path, record: RunningGateway) -> RunningGateway | None:
    """Write the record, unless another gateway runs in ``home``; return that one.

    :raises OSError: if it cannot be written.
    """
    other = find_running_gateway(home)
    if other is not None and other.pid != record.pid:
        return other
    if home.is_dir():
        write_private(record_path(home), msgspec.json.encode(record))
    return None


def remove_running_gateway(home: Path, pid: int) -> None:
    """Remove the record of process ``pid``, and nobody else's.

    :raises OSError: if it cannot be removed.
    """
    record = _read(home)
    if record is not None and record.pid == pid:
        record_path(home).unlink(missing_ok=True)


def process_start(pid: int) -> str:
    """Return when a process started, in a form of the platform's; empty if there is none.

    It is also empty on platforms that do not tell.
    """
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(OSError, IndexError):
            # "pid (name) state …": the name may contain anything; the start is field 22
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
            return fields.split()[19]
        return ""
    if os.name == "nt":
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 - a fixed program and a number
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={"LC_ALL": "C"},
        ).stdout.strip()
    return ""


def _read(home: Path) -> RunningGateway | None:
    try:
        return msgspec.json.decode(record_path(home).read_bytes(), type=RunningGateway)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None


def can_identify_processes() -> bool:
    """Return whether the platform tells if the process of a record still runs."""
    return os.name != "nt"


def _is_alive(record: RunningGateway) -> bool:
    if not can_identify_processes():
        return True  # the listener has to prove what it is
    return (
        record.pid > 0
        and bool(record.process_start)
        and (process_start(record.pid) == record.process_start)
    )
