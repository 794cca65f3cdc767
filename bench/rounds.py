"""Interleaved rounds: each case with all columns in turn, so that a busy machine slows all."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.cases import Case, Figures, measure, values
from bench.load import Load, run
from bench.peers import Column, Direct, Place
from bench.programs import Program
from bench.requests import RequestSpec

_WARM_UP = Load(RequestSpec("", ""), clients=8, seconds=10.0, requests=100)
_SETTLING_TIME = 0.3


@dataclass
class Rounds:
    """The values of all rounds by column, and what went wrong.

    ``has_failed`` is whether a response of the gateway was wrong.
    """

    values: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    has_failed: bool = False

    def add_fault(self, column: Column, text: str) -> None:
        """Note what went wrong with a column; its first fault is shown below the table."""
        print(f"{column.name}: {text}", file=sys.stderr, flush=True)
        if not any(note.startswith(f"{column.title}: ") for note in self.notes):
            self.notes.append(f"{column.title}: {text}")
        self.has_failed = self.has_failed or column.is_ours


def spec_of(column: Column, place: Place) -> RequestSpec:
    """Return the requests of a column."""
    headers = {name: place.fill(text, 0, place.folder) for name, text in column.headers.items()}
    return RequestSpec(column.protocol, column.upstream, model=column.model, headers=headers)


def in_turn(columns: Sequence[Column], number: int) -> list[Column]:
    """Return the columns, beginning with another one for each ``number``."""
    turn = number % len(columns)
    return [*columns[turn:], *columns[:turn]]


def measure_round(
    rounds: Rounds,
    columns: Sequence[Column],
    cases: Sequence[Case],
    place: Place,
    pace: float,
) -> None:
    """Start all programs afresh, run the cases with them, and add their values."""
    found: dict[str, dict[str, float]] = {}
    number = max((len(values) for values in rounds.values.values()), default=0)
    with ExitStack() as stack:
        programs: dict[str, Program] = {}
        for column in in_turn(columns, number):
            try:
                program = stack.enter_context(column.start(place))
                found[column.name] = _start(column, program, place, pace)
            except RuntimeError as error:
                rounds.add_fault(column, f"cannot be measured: {error}")
            else:
                programs[column.name] = program
        for case in cases:
            for column in in_turn(columns, number):
                if column.name in programs:
                    figures = _measure(rounds, column, programs[column.name], case, place, pace)
                    found[column.name] |= _shown(column, case, figures)
    direct = found.get("direct", {}).get("A1 p99")
    for name, row in found.items():
        if direct is not None and name != "direct" and "A1 p99" in row:
            row["A1 added p99"] = row["A1 p99"] - direct
        rounds.values.setdefault(name, []).append(row)


def _start(column: Column, program: Program, place: Place, pace: float) -> dict[str, float]:
    """Wait until a program serves, and return what its start took."""
    spec = spec_of(column, place)
    cold_start = program.wait_serving(Case("", "", _WARM_UP).with_column(spec, pace).spec)
    run(program.port, Case("", "", _WARM_UP).with_column(spec, pace)).check()
    if isinstance(column, Direct):
        return {}
    return {"cold start": cold_start, "idle memory": program.memory()}


def _measure(
    rounds: Rounds, column: Column, program: Program, case: Case, place: Place, pace: float
) -> Figures:
    figures = measure(program, case.with_column(spec_of(column, place), pace))
    time.sleep(_SETTLING_TIME)
    result = figures.result
    faults = len(result.faults)
    print(f"  {case.name} {column.name}: {result.responses}, {faults} faults", file=sys.stderr)
    if faults:
        total = faults + result.responses
        text = f"{case.name}: {faults} of {total} responses were wrong ({result.faults[0][:200]})"
        rounds.add_fault(column, text)
    return figures


def _shown(column: Column, case: Case, figures: Figures) -> dict[str, float]:
    """Return the values to show; those of the fake provider's own CPU and memory are not."""
    if not figures.result.responses:
        return {}
    if isinstance(column, Direct):
        figures = Figures(figures.result)
    return values(case.name, figures)
