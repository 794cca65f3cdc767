"""Run a client to its end, and let nothing of it live on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import kill_group


@dataclass(frozen=True)
class Finished:
    """How a client ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def output(self) -> str:
        """Everything that it wrote."""
        return self.out + self.err


def run_client(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    prompt: str = "",
    timeout: float = 90.0,
) -> Finished:
    """Run a command in a process group of its own, and kill the group in the end.

    Output goes to files: a grandchild that outlives the client would hold a pipe open.
    """
    out, err = folder.parent / "stdout", folder.parent / "stderr"
    started = time.monotonic()
    with out.open("wb") as out_sink, err.open("wb") as err_sink:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=out_sink,
            stderr=err_sink,
            start_new_session=True,
        )
        try:
            process.communicate(prompt.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            said = out.read_text(errors="replace") + err.read_text(errors="replace")
            raise AssertionError(f"{command[0]} ran for {timeout:.0f} s: {said[-2000:]}") from None
        finally:
            kill_group(process)
    seconds = time.monotonic() - started
    return Finished(
        process.returncode,
        out.read_text(errors="replace"),
        err.read_text(errors="replace"),
        seconds,
    )
