"""One process and several workers: requests per second, and the processor time of each.

    python -m bench.workers [--workers 2] [--clients 32] [--rounds 5] [--seconds 3]

The case is translated (a client of Anthropic's protocol, an upstream of OpenAI's).  Clients and
fake provider run on the same cores, so that with two cores the ratio of requests per second says
how much of both the gateway leaves to them.  The processor time of a request, of all processes of
the gateway, hardly depends on what else runs.  The two gateways take turns, the first one changes
with each round.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.load import Load, Result, percentile, run
from bench.programs import SOURCE, Program, free_port, gateway_configuration, running, upstream
from bench.requests import RequestSpec


def measure(program: Program, load: Load) -> tuple[Result, float]:
    """Return the result of a load, and the processor time of a request in ms."""
    before = program.cpu()
    result = run(program.port, load).check()
    return result, 1000 * (program.cpu() - before) / result.responses


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
    return stack.enter_context(running(name, command, port, folder, environment))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--stream", action="store_true", help="streams instead of whole responses")
    options = parser.parse_args()
    spec = RequestSpec("anthropic", "openai", stream=options.stream)
    load = Load(spec, options.clients, options.seconds)
    names = ("1 process", f"{options.workers} workers")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        folder = Path(directory)
        provider = stack.enter_context(upstream(folder))
        address = f"http://127.0.0.1:{provider.port}"
        programs = {
            name: start(stack, f"gateway-{number}", number, folder, address)
            for name, number in zip(names, (1, options.workers), strict=True)
        }
        for program in programs.values():
            program.wait_serving(spec)
            run(program.port, Load(spec, options.clients, 1.0))
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
        for number in range(options.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                result, cpu = measure(programs[name], load)
                slow = percentile(result.latencies, 0.99) or 0.0
                found[name].append((result.responses / result.seconds, cpu, slow))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    print(f"{'':12}{'requests/s':>12}{'CPU ms/request':>16}{'p99 ms':>10}")
    for name in names:
        rate, cpu, slow = (median(column) for column in zip(*found[name], strict=True))
        print(f"{name:12}{rate:12.0f}{cpu:16.3f}{slow:10.1f}")
    pairs = list(zip(found[names[1]], found[names[0]], strict=True))
    print(f"ratio of requests/s: {median(a[0] / b[0] for a, b in pairs):.2f}")
    print(f"ratio of CPU time:   {median(a[1] / b[1] for a, b in pairs):.3f}")


if __name__ == "__main__":
    main()
