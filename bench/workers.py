"""One process and several workers: requests per second, and the processor time of each.

    python -m bench.workers [--workers 2] [--clients 32] [--rounds 5] [--seconds 3] [--prefer]

The case is translated (a client of Anthropic's protocol, an upstream of OpenAI's).  Clients and
fake provider run on the same cores.  The two gateways take turns, the first one changes with each
round.

The second table is what the machine can give at most.  If a request needs ``c`` seconds of
processor time of the clients, ``m`` of the fake provider and ``g`` of the gateway, one process
serves at most ``min(1 / g, cores / (c + m + g))`` requests per second, and workers at most
``cores / (c + m + g)``.

On a busy machine both get about the same: Linux shares the processor among sessions first, and a
gateway is one, however many processes it has.  Then ``--prefer`` gives the measured programs the
processor before all others.  It needs root.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.load import Load, percentile, run
from bench.programs import (
    SOURCE,
    Program,
    free_port,
    gateway_configuration,
    prefer,
    running,
    upstream,
)
from bench.requests import RequestSpec


@dataclass(frozen=True)
class Measured:
    """One load: requests per second, times of a request in ms, and processor times of it in ms.

    ``main`` is the processor time of the first process of the gateway, ``workers`` that of its
    others.
    """

    rate: float
    slow: float
    clients: float
    provider: float
    main: float
    workers: float

    @property
    def gateway(self) -> float:
        """The processor time of all processes of the gateway."""
        return self.main + self.workers

    @property
    def all(self) -> float:
        """The processor time of everything."""
        return self.clients + self.provider + self.gateway


def measure(program: Program, provider: Program, load: Load) -> Measured:
    """Run a load, and return what was measured."""
    before, own, far = program.cpu_of_processes(), time.process_time(), provider.cpu()
    result = run(program.port, load).check()
    after = program.cpu_of_processes()
    used = {pid: seconds - before.get(pid, 0.0) for pid, seconds in after.items()}
    each = 1000 / result.responses
    main = used[program.pid]
    return Measured(
        rate=result.responses / result.seconds,
        slow=percentile(result.latencies, 0.99) or 0.0,
        clients=each * (time.process_time() - own),
        provider=each * (provider.cpu() - far),
        main=each * main,
        workers=each * (sum(used.values()) - main),
    )


def start(stack: ExitStack, name: str, workers: int, folder: Path, address: str) -> Program:
    """Return a running gateway with so many workers."""
    home = folder / name
    home.mkdir(mode=0o700)
    port = free_port()
    settings = f'[proxy]\nport = {port}\nauth_mode = "off"\n{gateway_configuration(address)}'
    (home / "antigravity.toml").write_text(settings)
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [twistd, "-n", "--pidfile=", "antigravity", "--home", str(home)]
    if workers > 1:
        command.append(f"--workers={workers}")
    environment = {"PYTHONPATH": str(SOURCE)}
    program = stack.enter_context(running(name, command, port, folder, environment))
    if workers > 1:
        program.wait_for_output([f"worker {each + 1} (process " for each in range(workers)])
    return program


def typical(found: list[Measured]) -> Measured:
    """Return the medians of several loads."""
    names = Measured.__dataclass_fields__
    return Measured(**{name: median(getattr(each, name) for each in found) for name in names})


def show(names: tuple[str, str], found: dict[str, list[Measured]]) -> None:
    """Print what was measured, and what can be reached."""
    cores = os.cpu_count() or 1
    print(f"{cores} cores, load average {os.getloadavg()[0]:.1f}")
    print(f"{'':12}{'requests/s':>12}{'CPU ms/request':>16}{'p99 ms':>10}")
    for name in names:
        each = typical(found[name])
        print(f"{name:12}{each.rate:12.0f}{each.gateway:16.3f}{each.slow:10.1f}")
    pairs = list(zip(found[names[1]], found[names[0]], strict=True))
    print(f"ratio of requests/s: {median(a.rate / b.rate for a, b in pairs):.2f}")
    print(f"ratio of CPU time:   {median(a.gateway / b.gateway for a, b in pairs):.3f}")
    print()
    heads = ("clients", "provider", "main", "workers", "at most/s", "reached")
    print(f"{'CPU ms':12}" + "".join(f"{head:>10}" for head in heads))
    bounds = []
    for name, processes in zip(names, (1, cores), strict=True):
        each = typical(found[name])
        bound = 1000 * min(processes / each.gateway, cores / each.all)
        bounds.append(bound)
        times = (each.clients, each.provider, each.main, each.workers)
        row = "".join(f"{value:10.3f}" for value in times)
        print(f"{name:12}{row}{bound:10.0f}{each.rate / bound:10.0%}")
    print(f"ratio of what is possible: {bounds[1] / bounds[0]:.2f}")


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--turns", type=int, default=0, help="tool calls before the question")
    parser.add_argument("--padding", type=int, default=1000, help="bytes of the question")
    parser.add_argument("--stream", action="store_true", help="streams instead of whole responses")
    parser.add_argument("--prefer", action="store_true", help="before all other processes")
    options = parser.parse_args()
    spec = RequestSpec(
        "anthropic",
        "openai",
        stream=options.stream,
        turns=options.turns,
        padding=options.padding,
    )
    load = Load(spec, options.clients, options.seconds)
    names = ("1 process", f"{options.workers} workers")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        folder = Path(directory)
        if options.prefer:
            stack.callback(prefer, os.getpid(), 0)
            prefer(os.getpid())
        provider = stack.enter_context(upstream(folder))
        address = f"http://127.0.0.1:{provider.port}"
        programs = {
            name: start(stack, f"gateway-{number}", number, folder, address)
            for name, number in zip(names, (1, options.workers), strict=True)
        }
        for program in (provider, *programs.values()) if options.prefer else ():
            prefer(program.pid)
        for program in programs.values():
            program.wait_serving(spec)
            run(program.port, Load(spec, options.clients, 1.0))
        found: dict[str, list[Measured]] = {name: [] for name in names}
        for number in range(options.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                found[name].append(measure(programs[name], provider, load))
    show(names, found)


if __name__ == "__main__":
    main()
