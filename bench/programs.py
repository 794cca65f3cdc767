"""Programs that are measured: how they start, and what they use."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATIENCE = 30.0
_CONFIGURATION = """
[upstreams.openai]
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "none"
models = ["openai-*"]
apis = ["chat"]

[upstreams.pooled]
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_keys = ["none", "any"]
models = ["pooled-*"]
apis = ["chat"]

[upstreams.gemini]
kind = "gemini_api"
base_url = "http://127.0.0.1:{upstream}"
api_key = "none"
models = ["gemini-*"]

[upstreams.anthropic]
kind = "anthropic"
base_url = "http://127.0.0.1:{upstream}"
api_key = "none"
models = ["anthropic-*"]
"""


class Program:
    """One that runs: what it uses is read from the system (Linux)."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self._process = process
        self.start = self._wait()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def reload(self) -> None:
        """Have the gateway read its configuration anew."""
        self._process.send_signal(signal.SIGHUP)

    def start_trace(self) -> None:
        """Have a traced gateway start to count."""
        self._process.send_signal(signal.SIGUSR1)

    def stop_trace(self) -> None:
        """Have a traced gateway stop, and write its counts."""
        self._process.send_signal(signal.SIGUSR2)

    def cpu(self) -> float:
        """Return the CPU time used until now in seconds, by the process's own clock."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def memory(self) -> float:
        """Return how much of it is in memory, in MiB."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE / 2**20

    def _wait(self) -> float:
        """Return the CPU seconds it took until somebody listened."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.cpu()
            time.sleep(0.01)
        self._process.kill()
        raise RuntimeError(f"{self.name} does not listen")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def _running(
    name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[Program]:
    kept = {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=kept)
        try:
            yield Program(name, port, process)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def upstream(folder: Path) -> Iterator[Program]:
    """Run the provider of models."""
    port = free_port()
    command = [sys.executable, str(_HERE / "upstream.py"), str(port)]
    with _running("upstream", command, port, folder, os.environ) as program:
        yield program


@contextmanager
def floor(folder: Path, upstream_port: int) -> Iterator[Program]:
    """Run the plain proxy."""
    port = free_port()
    where = f"http://127.0.0.1:{upstream_port}"
    command = [sys.executable, str(_HERE / "floor.py"), str(port), where]
    with _running("floor", command, port, folder, os.environ) as program:
        yield program


@contextmanager
def gateway(
    name: str,
    source: Path,
    folder: Path,
    upstream_port: int,
    counts: Path | None = None,
    counter: str = "counted.py",
) -> Iterator[Program]:
    """Run the gateway whose source is in the folder ``source``.

    ``counts`` is a file for what it counts inside, see ``counted.py`` and ``traced.py``; then
    the program ``counter`` runs it.
    """
    port = free_port()
    home = folder / name
    home.mkdir(mode=0o700)
    (home / "antigravity.toml").write_text(_CONFIGURATION.format(upstream=upstream_port))
    twistd = Path(sys.executable).with_name("twistd")
    start = [str(twistd)] if counts is None else [sys.executable, str(_HERE / counter)]
    command = [*start, "-n", "--pidfile=", "antigravity", "--home", str(home)]
    env = os.environ | {"PYTHONPATH": str(source), "BENCH_COUNTS": str(counts)}
    with _running(name, [*command, "--port", str(port)], port, folder, env) as program:
        yield program
