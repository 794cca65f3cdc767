"""Compare the gateway with a plain proxy: ``python -m bench``, in the folder of the source.

The figures are the CPU time that a process used, not elapsed time, and in brackets its ratio to the
plain proxy's.  Rounds are interleaved, so that a busy machine slows all programs equally.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.cases import CASES, Case
from bench.load import load
from bench.programs import Program, gateway, plain_proxy, upstream
from bench.trace import print_traces

_SOURCE = Path(__file__).resolve().parent.parent
_PLAIN_PROXY = "plain proxy"


async def _cost(program: Program, case: Case, seconds: float) -> float:
    """Return the CPU time of one unit in µs."""
    spec = case.baseline if program.name == _PLAIN_PROXY else case.spec
    before = program.cpu()
    result = await load(program.port, spec, case.clients, seconds)
    return (program.cpu() - before) / (result.responses * case.scale) * 1e6


async def _measure(
    programs: Sequence[Program], case: Case, rounds: int, pace: float
) -> dict[str, list[float]]:
    """Return the costs of a unit by program, one per round."""
    costs: dict[str, list[float]] = {program.name: [] for program in programs}
    for program in programs:
        await _cost(program, case, 0.3 * pace)
    for number in range(rounds):
        turn = number % len(programs)
        for program in [*programs[turn:], *programs[:turn]]:
            costs[program.name].append(await _cost(program, case, case.seconds * pace))
    return costs


def _line(title: str, cells: Sequence[str]) -> str:
    return f"{title:<46}" + "".join(f"{cell:>17}" for cell in cells)


def _cells(rows: Sequence[Sequence[float]], unit: str, digits: int = 0) -> list[str]:
    """Return the median of each row, and of its ratios to the last row, the plain proxy's."""
    cells = []
    for row in rows:
        ratio = median(value / base for value, base in zip(row, rows[-1], strict=True))
        cell = f"{median(row):,.{digits}f}{unit}"
        cells.append(cell if row is rows[-1] else f"{cell} ({ratio:.2f})")
    return cells


def _report(costs: dict[str, list[float]], case: Case) -> None:
    title = f"{case.title}, µs/{case.unit}"
    digits = 1 if case.scale > 1 else 0
    print(_line(title, _cells(list(costs.values()), "", digits)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", help=", ".join(case.name for case in CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pace", type=float, default=1.0, help="factor for the length of a round")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="also measure the checkout in FOLDER",
    )
    return parser.parse_args()


def main() -> None:
    """Measure all or the given cases, and print a table."""
    arguments = _arguments()
    unknown = set(arguments.cases) - {case.name for case in CASES}
    if unknown:
        known = ", ".join(case.name for case in CASES)
        raise SystemExit(f"Unknown case {', '.join(sorted(unknown))}. The cases are: {known}.")
    sources = dict(entry.split("=", 1) for entry in arguments.also) | {"gateway": str(_SOURCE)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(upstream(folder)).port
        programs = [
            stack.enter_context(gateway(name, Path(source).resolve(), folder, port))
            for name, source in sources.items()
        ]
        programs.append(stack.enter_context(plain_proxy(folder, port)))
        print(_line("", [program.name for program in programs]))
        print(_line("CPU until listening", _cells([[p.start] for p in programs], " s", 2)))
        print(_line("memory, idle", _cells([[p.memory()] for p in programs], " MiB")))
        for case in CASES:
            if not arguments.cases or case.name in arguments.cases:
                costs = asyncio.run(_measure(programs, case, arguments.rounds, arguments.pace))
                _report(costs, case)
        print(_line("memory, at the end", _cells([[p.memory()] for p in programs], " MiB")))
    if not arguments.cases:
        print()
        print_traces({name: Path(source).resolve() for name, source in sources.items()})


if __name__ == "__main__":
    main()
