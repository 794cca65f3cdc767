"""Start ``twistd antigravity`` as a user would, and ask it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Where anything would be found by accident that was not installed.
_LEAKS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment for a user's process: nothing of ours, no browser, its own home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _LEAKS and not name.startswith("ANTIGRAVITY_")
    }
    local = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**kept, **local, "BROWSER": "true", "ANTIGRAVITY_HOME": str(home)}


class Running:
    """A process of ours that serves HTTP."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def address(self) -> str:
        """Return where it listens, once it does."""
        return self.wait_for_log(r"listening on (http://[\w.:]+)")

    def wait_for_log(self, pattern: str, timeout: float = 30.0) -> str:
        """Return the first group of a pattern in its log, once it is there."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (match := re.search(pattern, self.log)):
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                self._changed.wait(0.1)
        return match[1]

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self._reader.join(5)
        return code


@contextmanager
def sigint_not_ignored() -> Iterator[None]:
    """Let processes that the block starts end at SIGINT.

    A shell that starts the tests in the background has them ignore it, and so would what they
    start.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a handler is not inherited
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def running(
    command: Sequence[str], home: Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a command while the block lasts.

    :param environment: of the process, instead of a clean one with this home.
    """
    with sigint_not_ignored():
        started = subprocess.Popen(
            command,
            cwd=cwd,
            env=clean_environment(home) if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    with started as process:
        server = Running(process)
        try:
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def get(address: str) -> bytes:
    """Return what is at an address, asked without any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=10) as answer:
        return bytes(answer.read())
