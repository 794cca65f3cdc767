"""What ledger and metrics cost: ``python -m bench.instruments`` (Linux).

A gateway with and without them serves the same requests by turns, so that a busy machine disturbs
both alike.  It prints, side by side with their difference and its limit:

* the CPU time of the event loop's thread, and of the process, for one request,
* the memory of an idle gateway that has served a request,
* the CPU time until a gateway listens.

``--instructions`` also counts the instructions of a request, under valgrind, which takes minutes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from antigravity.config.home import FILE_NAME
from bench.instructions import count
from bench.load import Load, run
from bench.programs import SOURCE, Program, gateway, upstream
from bench.requests import RequestSpec

#: The configurations that are compared.
VARIANTS: Final[Mapping[str, str]] = {
    "without": "\n[ledger]\nenabled = false\n\n[metrics]\nenabled = false\n",
    "with": "",
}
_SPEC: Final = RequestSpec("openai", "openai", pieces=4)
#: Seconds in which the ledger writes what waits, and the gateway becomes idle.
_SETTLING_TIME: Final = 3.0
#: Seconds in which a gateway notices another configuration and uses it.
_RELOAD_TIME: Final = 2.0


@dataclass(frozen=True)
class Figure:
    """A figure of a gateway: its unit, and how much more a gateway with instruments may have."""

    title: str
    unit: str
    limit: float


FIGURES: Final[Mapping[str, Figure]] = {
    "thread": Figure("event loop, one request", "µs", 10.0),
    "process": Figure("process, one request", "µs", 60.0),
    "memory": Figure("idle memory", "MiB", 8.0),
    "start": Figure("CPU time until it listens", "ms", 40.0),
}


@dataclass
class Measured:
    """The values of each figure, by variant."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {name: {each: [] for each in VARIANTS} for name in FIGURES}
    )

    def add(self, figure: str, variant: str, value: float) -> None:
        """Add a value."""
        self.values[figure][variant].append(value)

    def difference(self, figure: str) -> float:
        """Return the median of the differences between values of the same turn."""
        of = self.values[figure]
        pairs = zip(of["with"], of["without"], strict=True)
        return median(more - less for more, less in pairs)


def _start(stack: ExitStack, variant: str, folder: Path, address: str) -> Program:
    return stack.enter_context(gateway(variant, SOURCE, folder, address, more=VARIANTS[variant]))


def measure_starts(measured: Measured, folder: Path, address: str, times: int) -> None:
    """Measure starts and the memory after one request, by turns."""
    for _ in range(times):
        for variant in VARIANTS:
            with ExitStack() as stack:
                program = _start(stack, variant, folder, address)
                program.wait_listening()
                measured.add("start", variant, 1000 * program.cpu())
                program.wait_serving(_SPEC)
                time.sleep(_SETTLING_TIME)
                measured.add("memory", variant, program.memory())


def measure_requests(
    measured: Measured, folder: Path, address: str, rounds: int, requests: int
) -> None:
    """Measure the CPU time of requests that one gateway serves, with and without by turns.

    Two processes would differ by more than what is measured.
    """
    with gateway("turns", SOURCE, folder, address) as program:
        program.wait_listening()
        file = folder / f"turns-{program.port}" / FILE_NAME
        text = file.read_text()
        load = Load(_SPEC, clients=4, seconds=60.0, requests=requests)
        for number in range(rounds + 1):
            for variant, more in VARIANTS.items():
                file.write_text(text + more)
                time.sleep(_RELOAD_TIME)
                run(program.port, Load(_SPEC, requests=200)).check()
                thread, process = program.main_thread_cpu(), program.cpu()
                result = run(program.port, load).check()
                time.sleep(0.5)  # the last rows are written
                share = 1e6 / result.responses
                if number:  # the first turns import what is needed
                    measured.add("thread", variant, share * (program.main_thread_cpu() - thread))
                    measured.add("process", variant, share * (program.cpu() - process))


def table(measured: Measured) -> list[str]:
    """Return the lines of the table, and say of each figure whether it is within its limit."""
    lines = [f"{'':<28}{'without':>10}{'with':>10}{'more':>10}{'limit':>10}"]
    for name, figure in FIGURES.items():
        if not measured.values[name]["with"]:
            continue
        without, with_ = (median(measured.values[name][each]) for each in VARIANTS)
        more = measured.difference(name)
        verdict = "" if more <= figure.limit else "  too much"
        title = f"{figure.title} ({figure.unit})"
        lines.append(
            f"{title:<34}{without:>10.1f}{with_:>10.1f}{more:>+10.1f}{figure.limit:>8.0f}{verdict}"
        )
    lines[0] = f"{'':<34}{'without':>10}{'with':>10}{'more':>10}{'limit':>8}"
    return lines


def instruction_table() -> list[str]:
    """Return the thousands of instructions of requests, with and without instruments."""
    with_, without = count(), count(VARIANTS["without"])
    lines = [f"{'thousands of instructions':<34}{'without':>10}{'with':>10}{'more':>10}"]
    for name, value in with_.items():
        less = without[name]
        ratio = value / less - 1
        lines.append(f"{name:<34}{less / 1000:>10,.0f}{value / 1000:>10,.0f}{ratio:>+10.1%}")
    return lines


def _print(lines: Sequence[str]) -> None:
    print(*lines, sep="\n", flush=True)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.instruments", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="turns of requests")
    parser.add_argument("--requests", type=int, default=2000, help="requests of a turn")
    parser.add_argument("--starts", type=int, default=5, help="starts of each gateway")
    parser.add_argument("--instructions", action="store_true", help="also count instructions")
    arguments = parser.parse_args()
    measured = Measured()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        address = f"http://127.0.0.1:{stack.enter_context(upstream(folder)).port}"
        if arguments.starts:
            measure_starts(measured, folder, address, arguments.starts)
        if arguments.rounds:
            measure_requests(measured, folder, address, arguments.rounds, arguments.requests)
    _print(table(measured))
    if arguments.instructions:
        if shutil.which("valgrind") is None:
            print("Instructions are not counted: valgrind is not installed.")
        else:
            _print(instruction_table())


if __name__ == "__main__":
    main()
