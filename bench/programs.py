"""The measured programs: start them, and read their CPU time and memory (Linux)."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.requests import RequestSpec

SOURCE = Path(__file__).resolve().parent.parent
_HERE = Path(__file__).resolve().parent
_PAGE = os.sysconf("SC_PAGE_SIZE")
_START_TIMEOUT = 90.0
_STOP_TIMEOUT = 10.0
_CONFIGURATION = """
[upstreams.openai]
kind = "openai"
base_url = "{address}/v1"
api_key = "none"
models = ["openai-*"]
apis = ["chat"]

[upstreams.responses]
kind = "openai"
base_url = "{address}/v1"
api_key = "none"
models = ["responses-*"]
apis = ["responses"]

[upstreams.pooled]
kind = "openai"
base_url = "{address}/v1"
api_keys = ["none", "any"]
models = ["pooled-*"]
apis = ["chat"]

[upstreams.gemini]
kind = "gemini_api"
base_url = "{address}"
api_key = "none"
models = ["gemini-*"]

[upstreams.anthropic]
kind = "anthropic"
base_url = "{address}"
api_key = "none"
models = ["anthropic-*"]

[upstreams.internal]
kind = "codeassist"
base_url = "{address}"
refresh_token = "none"
project = "bench"
models = ["internal-*"]

[upstreams.internal.oauth]
client_id = "none"
client_secret = "none"
token_url = "{address}/token"
"""


def gateway_configuration(address: str) -> str:
    """Return a configuration whose upstreams are all the fake provider at ``address``."""
    return _CONFIGURATION.format(address=address)


class Program:
    """A running program with its children."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.port = port
        self._process = process
        self._log = log
        self._started = time.monotonic()
        self._peak = 0.0

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
        """Return the CPU time in seconds."""
        return sum(self.cpu_of_processes().values())

    def cpu_of_processes(self) -> dict[int, float]:
        """Return the CPU time in seconds of the process and its descendants, by their ids."""
        found = {}
        for pid in self._tree():
            with suppress(OSError):
                found[pid] = time.clock_gettime((~pid << 3) | 2)
        return found

    def main_thread_cpu(self) -> float:
        """Return the CPU time of the main thread in seconds."""
        path = f"/proc/{self.pid}/task/{self.pid}/schedstat"
        return int(Path(path).read_text().split()[0]) / 1e9

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        pages = 0
        for pid in self._tree():
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * _PAGE / 2**20

    def descriptors(self) -> int:
        """Return the number of open descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _tree(self) -> list[int]:
        """Return the ids of the process and its living descendants."""
        found, remaining = [], [self.pid]
        while remaining:
            pid = remaining.pop()
            found.append(pid)
            with suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    remaining.extend(map(int, children.split()))
        return found

    def wait_listening(self) -> None:
        """Wait until the program accepts connections.

        :raises RuntimeError: if it does not.
        """
        while self._is_starting():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not listen: {self.last_output()}")

    def wait_serving(self, spec: RequestSpec) -> float:
        """Wait for the first response, and return the seconds from the start until then.

        :raises RuntimeError: if there is none.
        """
        path, body = spec.body()
        headers = spec.lines() | {"Content-Type": "application/json"}
        last = "no response"
        while True:  # a provider that has served the round before may have started long ago
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                text = response.read(300)
                if response.status == 200:
                    connection.close()
                    return time.monotonic() - self._started
                last = f"{response.status} {text.decode(errors='replace')}"
            connection.close()
            if not self._is_starting():
                raise RuntimeError(f"{self.name} does not serve: {last}; {self.last_output()}")
            time.sleep(0.02)

    def wait_for_output(self, texts: Sequence[str]) -> None:
        """Wait until the program has written all of ``texts``.

        :raises RuntimeError: if it does not.
        """
        while any(text.encode() not in self._log.read_bytes() for text in texts):
            if not self._is_starting():
                raise RuntimeError(f"{self.name} did not start: {self.last_output()}")
            time.sleep(0.05)

    def last_output(self) -> str:
        """Return the end of what the program wrote."""
        return self._log.read_bytes()[-500:].decode(errors="replace")

    def _is_starting(self) -> bool:
        is_in_time = time.monotonic() < self._started + _START_TIMEOUT
        return is_in_time and self._process.poll() is None


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def prefer(pid: int, nice: int = -19) -> None:
    """Give a process the processor before all that are not preferred; this needs root.

    :param nice: its new priority, from -20 to 19; 0 is that of others.
    :raises OSError: if that is not allowed.
    """
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():  # the system shares the processor among sessions first
        group.write_text(str(nice))
    os.setpriority(os.PRIO_PROCESS, pid, nice)


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[Program]:
    """Run a command, with ``env`` besides the environment, until the block ends."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment | dict(env),
            start_new_session=True,
        )
        try:
            yield Program(name, port, process, path)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process with its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT)
            return


@contextmanager
def upstream(folder: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[Program]:
    """Run the fake provider, with TLS if there is a certificate with its key."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port), *map(str, certificate or ())]
    with running("upstream", command, port, folder, {"PYTHONPATH": str(SOURCE)}) as program:
        program.wait_listening()
        yield program


@contextmanager
def plain_proxy(
    name: str, folder: Path, address: str, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run the plain proxy, for the fake provider at ``address``."""
    port = free_port()
    command = [sys.executable, str(_HERE / "plain_proxy.py"), str(port), address]
    with running(name, command, port, folder, env or {}) as program:
        yield program


@contextmanager
def gateway(
    name: str,
    source: Path,
    folder: Path,
    address: str,
    counts: Path | None = None,
    launcher: str = "counting_twistd.py",
    env: Mapping[str, str] | None = None,
    more: str = "",
) -> Iterator[Program]:
    """Run the gateway whose source is in the folder ``source``.

    With a file ``counts``, the script ``launcher`` runs it and writes counts to that file: see
    ``counting_twistd.py`` and ``tracing_twistd.py``.  ``more`` is added to its configuration.
    """
    port = free_port()
    home = folder / f"{name}-{port}"
    home.mkdir(mode=0o700)
    file = home / "antigravity.toml"
    file.touch(0o600)
    file.write_text(gateway_configuration(address) + more)
    twistd = Path(sys.executable).with_name("twistd")
    start = [str(twistd)] if counts is None else [sys.executable, str(_HERE / launcher)]
    command = [*start, "-n", "--pidfile=", "antigravity", "--home", str(home)]
    added = {"PYTHONPATH": str(source), "BENCH_COUNTS": str(counts)} | dict(env or {})
    with running(name, [*command, "--port", str(port)], port, folder, added) as program:
        yield program
