"""Request /healthz while others send expensive requests: ``python -m bench.overload``.

For each attack it prints the response times of ``/healthz`` for another client (median, 99th
percentile, maximum), the memory of the gateway, and the statuses that the attackers received.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from bench.attacks import ATTACKS, Attack
from bench.programs import SOURCE, Program, gateway, upstream

_PAUSE = 0.005


class _Attackers:
    """Threads that send one attack again and again until they are stopped."""

    def __init__(self, port: int, attack: Attack, clients: int) -> None:
        self._port = port
        self._wire = attack.wire(port)
        self._stopped = threading.Event()
        self.statuses: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the responses to the current requests."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            with socket.create_connection(("127.0.0.1", self._port)) as connection:
                connection.settimeout(120)
                with suppress(OSError):  # it may be refused before it is sent completely
                    connection.sendall(self._wire)
                self.statuses[self._status(connection)] += 1

    def _status(self, connection: socket.socket) -> str:
        first = b""
        try:
            while data := connection.recv(65536):
                first = first or data
        except OSError as error:
            return first[9:12].decode() or type(error).__name__
        return first[9:12].decode() or "closed"


def _probe(port: int, seconds: float) -> list[float]:
    """Return the sorted response times of /healthz in seconds."""
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    times = []
    until = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while time.monotonic() < until:
            begun = time.perf_counter()
            connection.sendall(request)
            got = connection.recv(65536)
            assert got.startswith(b"HTTP/1.1 200"), got
            times.append(time.perf_counter() - begun)
            time.sleep(_PAUSE)
    return sorted(times)


def _measure(program: Program, attack: Attack, clients: int, seconds: float) -> None:
    attackers = _Attackers(program.port, attack, clients)
    time.sleep(0.1)
    try:
        times = _probe(program.port, seconds)
    finally:
        attackers.stop()
    figures = [1000 * times[int(part * (len(times) - 1))] for part in (0.5, 0.99, 1)]
    statuses = " ".join(f"{status}:{count}" for status, count in attackers.statuses.most_common())
    cells = "".join(f"{cell:>9.1f}" for cell in figures)
    print(f"{attack.name:<34}{cells}{program.memory():>9.0f}  {statuses}", flush=True)


def main() -> None:
    """Measure all or the given attacks, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("attacks", nargs="*", help="names of attacks, or prefixes of names")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=2, help="attackers at a time")
    parser.add_argument("--source", default=str(SOURCE), help="the folder of another checkout")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = f"http://127.0.0.1:{stack.enter_context(upstream(folder)).port}"
        source = Path(arguments.source).resolve()
        program = stack.enter_context(gateway("gateway", source, folder, address))
        program.wait_listening()
        print(f"{'/healthz, ms':<34}{'median':>9}{'p99':>9}{'max':>9}{'MiB':>9}  statuses")
        for attack in ATTACKS:
            if not arguments.attacks or attack.name.startswith(tuple(arguments.attacks)):
                _measure(program, attack, arguments.clients, arguments.seconds)


if __name__ == "__main__":
    main()
