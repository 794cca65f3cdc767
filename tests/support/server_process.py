"""A ``twistd`` service in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.processes import kill_group


class Server:
    """A ``twistd`` service in a process of its own, with its log in a file."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True)
        self._log = folder / "server.log"
        twistd = Path(sys.executable).with_name("twistd")
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(
                [str(twistd), "-n", "--pidfile=", *arguments],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Return what matches in the log, once it does."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.log)):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return match

    def stop(self) -> None:
        """Stop it, by force if it takes its time."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            kill_group(self._process)
