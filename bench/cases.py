"""The loads of the benchmark, and the rows of its table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

from bench.load import Load, Result, percentile, run
from bench.programs import Program
from bench.requests import RequestSpec

_SAMPLE_PAUSE = 0.1


@dataclass(frozen=True)
class Case:
    """A load; its ``spec`` is completed with the protocols and the model of a column."""

    name: str
    description: str
    load: Load

    def with_column(self, spec: RequestSpec, pace: float) -> Load:
        """Return the load for a column whose protocols and model are those of ``spec``.

        ``pace`` is a factor for the length of loads that are not limited by their requests.
        """
        shape = self.load.spec
        filled = replace(
            spec,
            stream=shape.stream,
            pieces=shape.pieces,
            pause=shape.pause,
            image=shape.image,
        )
        is_limited = self.load.requests < 100_000
        seconds = self.load.seconds * (1 if is_limited else pace)
        return replace(self.load, spec=filled, seconds=seconds)


_WHOLE = RequestSpec("", "")
_STREAM = RequestSpec("", "", stream=True)
_PACED = RequestSpec("", "", stream=True, pieces=20, pause=100)
_IMAGE = RequestSpec("", "", image=786_432)

CASES: Final[Mapping[str, Case]] = {
    case.name: case
    for case in (
        Case("A1", "whole responses, one client", Load(_WHOLE, 1, 2.0)),
        Case("A32", "whole responses, 32 clients", Load(_WHOLE, 32, 2.0)),
        Case("B1", "streams of 64 pieces, one client", Load(_STREAM, 1, 1.5)),
        Case("B32", "streams of 64 pieces, 32 clients", Load(_STREAM, 32, 2.0)),
        Case(
            "C500",
            "500 streams at a time, a piece every 100 ms",
            Load(_PACED, 500, 4.0, requests=1000, ramp=1.0),
        ),
        Case("D", "requests with an image, 1 MiB, 4 clients", Load(_IMAGE, 4, 2.0)),
    )
}


@dataclass(frozen=True)
class Figures:
    """The figures of one load: its result, the CPU seconds, and the peak memory in MiB."""

    result: Result
    cpu: float | None = None
    memory: float | None = None


class _PeakMemory(AbstractContextManager["_PeakMemory"]):
    """The peak memory of a program during a ``with`` block."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak = program.memory()

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_PAUSE):
            self.peak = max(self.peak, self._program.memory())


def measure(program: Program, load: Load) -> Figures:
    """Run a load, and return its figures."""
    before = program.cpu()
    if load.clients < 100:
        result = run(program.port, load)
        return Figures(result, program.cpu() - before)
    with _PeakMemory(program) as memory:
        result = run(program.port, load)
    figures = Figures(result, program.cpu() - before, memory.peak)
    time.sleep(_SAMPLE_PAUSE)
    return figures


def values(case: str, figures: Figures) -> dict[str, float]:
    """Return the values of a load for the rows of the table, by key."""
    found = {key: VALUES[key](figures) for key in _KEYS[case]}
    return {f"{case} {key}": value for key, value in found.items() if value is not None}


def _per(figures: Figures, count: int, factor: float) -> float | None:
    return None if figures.cpu is None or not count else figures.cpu / count * factor


VALUES: Final[Mapping[str, Callable[[Figures], float | None]]] = {
    "p50": lambda figures: percentile(figures.result.latencies, 0.5),
    "p99": lambda figures: percentile(figures.result.latencies, 0.99),
    "rate": lambda figures: figures.result.responses / figures.result.seconds,
    "cpu per request": lambda figures: _per(figures, figures.result.responses, 1000),
    "cpu per chunk": lambda figures: _per(figures, figures.result.marks, 1e6),
    "ttft": lambda figures: percentile(figures.result.first, 0.5),
    "ttft p99": lambda figures: percentile(figures.result.first, 0.99),
    "lag p99": lambda figures: percentile(figures.result.lags, 0.99),
    "memory": lambda figures: figures.memory,
}
_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "A1": ("p50", "p99"),
    "A32": ("cpu per request", "p99", "rate"),
    "B1": ("ttft",),
    "B32": ("cpu per chunk",),
    "C500": ("cpu per chunk", "lag p99", "ttft p99", "memory"),
    "D": ("cpu per request",),
}


@dataclass(frozen=True)
class Row:
    """A row of the table: the value ``key``; lower values are better, but for rates."""

    key: str
    title: str
    unit: str
    has_ratio: bool = True


ROWS: Final[Sequence[Row]] = (
    Row("A1 p50", "A1, round trip, median", "ms"),
    Row("A1 p99", "A1, round trip, 99th percentile", "ms"),
    Row("A1 added p99", "A1, the same minus that of the provider asked directly", "ms"),
    Row("A32 cpu per request", "A32, CPU per request", "ms"),
    Row("A32 p99", "A32, round trip, 99th percentile", "ms"),
    Row("A32 rate", "A32, requests per second", ""),
    Row("B1 ttft", "B1, time to the first text, median", "ms"),
    Row("B32 cpu per chunk", "B32, CPU per chunk", "µs"),
    Row("C500 cpu per chunk", "C500, CPU per chunk", "µs"),
    Row("C500 lag p99", "C500, lag of a chunk, 99th percentile", "ms"),
    Row("C500 ttft p99", "C500, time to the first text, 99th percentile", "ms"),
    Row("C500 memory", "C500, memory", "MiB"),
    Row("D cpu per request", "D, CPU per request", "ms"),
    Row("cold start", "Start to the first response", "s"),
    Row("idle memory", "Memory, idle", "MiB"),
)
