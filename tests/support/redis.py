"""A real Redis server for tests, on a socket in a temporary directory."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def why_absent() -> str:
    """Return why tests with a Redis server cannot run here, empty if they can."""
    if importlib.util.find_spec("txredisapi") is None:
        return "txredisapi is not installed: the extra `redis`"
    if shutil.which("redis-server") is None:
        return "there is no Redis server: apt-get install redis-server"
    return ""


class RedisServer:
    """A server that keeps nothing on disk; :meth:`start` and :meth:`stop` can be repeated."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        """Return the address of the server."""
        return f"redis+unix://{self._socket}"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("redis-server", "--port", "0", "--unixsocket", str(self._socket)),
                    *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while self._ask(b"PING") is None:
            assert self._process.poll() is None, (self._directory / "log").read_text("utf-8")
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill the server."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(30)

    def pause(self) -> None:
        """Let the server stand still: it accepts connections, and replies to nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def send(self, command: str) -> bytes:
        """Send a command, and return the beginning of the reply."""
        reply = self._ask(command.encode())
        assert reply is not None
        return reply

    def _ask(self, command: bytes) -> bytes | None:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(self._socket))
                connection.sendall(command + b"\r\n")
                return connection.recv(65536)
        except OSError:
            return None


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """Return a context with a running server, whose directory is deleted at the end."""
    directory = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
    server = RedisServer(directory, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
