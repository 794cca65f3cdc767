"""The measured programs: start them, and read their CPU time and memory."""

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
_START_TIMEOUT = 30.0
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
    """A running program; its CPU time and memory are read from the system (Linux)."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self._process = process
        self.start = self._wait()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def reload(self) -> None:
        """Reload the configuration of a gateway."""
        self._process.send_signal(signal.SIGHUP)

    def start_trace(self) -> None:
        """Start counting in a traced gateway."""
        self._process.send_signal(signal.SIGUSR1)

    def stop_trace(self) -> None:
        """Stop counting in a traced gateway, and make it write its counts."""
        self._process.send_signal(signal.SIGUSR2)

    def cpu(self) -> float:
        """Return the CPU time of the process in seconds."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE / 2**20

    def _wait(self) -> float:
        """Wait until the program listens, and return its CPU time until then."""
        until = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.cpu()
            time.sleep(0.01)
        self._process.kill()
        raise RuntimeError(f"{self.name} did not listen within {_START_TIMEOUT:g} s; see its log")


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def _running(
    name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[Program]:
    inherited = {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=inherited)
        try:
            yield Program(name, port, process)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def upstream(folder: Path) -> Iterator[Program]:
    """Run the model provider."""
    port = free_port()
    command = [sys.executable, str(_HERE / "upstream.py"), str(port)]
    with _running("upstream", command, port, folder, os.environ) as program:
        yield program


@contextmanager
def plain_proxy(folder: Path, upstream_port: int) -> Iterator[Program]:
    """Run the plain proxy."""
    port = free_port()
    address = f"http://127.0.0.1:{upstream_port}"
    command = [sys.executable, str(_HERE / "plain_proxy.py"), str(port), address]
    with _running("plain proxy", command, port, folder, os.environ) as program:
        yield program


@contextmanager
def gateway(
    name: str,
    source: Path,
    folder: Path,
    upstream_port: int,
    counts: Path | None = None,
    launcher: str = "counting_twistd.py",
) -> Iterator[Program]:
    """Run the gateway whose source is in the folder ``source``.

    With a file ``counts``, the script ``launcher`` runs it and writes counts to that file: see
    ``counting_twistd.py`` and ``tracing_twistd.py``.
    """
    port = free_port()
    home = folder / name
    home.mkdir(mode=0o700)
    (home / "antigravity.toml").write_text(_CONFIGURATION.format(upstream=upstream_port))
    twistd = Path(sys.executable).with_name("twistd")
    start = [str(twistd)] if counts is None else [sys.executable, str(_HERE / launcher)]
    command = [*start, "-n", "--pidfile=", "antigravity", "--home", str(home)]
    env = os.environ | {"PYTHONPATH": str(source), "BENCH_COUNTS": str(counts)}
    with _running(name, [*command, "--port", str(port)], port, folder, env) as program:
        yield program
