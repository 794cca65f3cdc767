"""The table of all pairs of client and upstream protocols."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from bench.cases import Case, Row, measure
from bench.load import Load
from bench.peers import FLOOR, Column, Place, floor_column, our_columns
from bench.programs import SOURCE, Program
from bench.requests import PROTOCOLS, RequestSpec
from bench.rounds import Rounds

UPSTREAMS: Final = (*PROTOCOLS, "internal")
TITLES: Final = {
    "openai": "OpenAI chat",
    "responses": "OpenAI Responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "internal": "v1internal",
}
_WHOLE = Case("whole", "", Load(RequestSpec("", ""), 16, 0.7))
_STREAM = Case("stream", "", Load(RequestSpec("", "", stream=True), 16, 0.7))

ROWS: Final = [
    Row(f"{protocol} {kind}", f"{TITLES[protocol]}, {title}", unit)
    for kind, title, unit in (
        ("whole", "whole response, CPU per request", "ms"),
        ("stream", "64 pieces, CPU per chunk", "µs"),
    )
    for protocol in PROTOCOLS
]


def columns() -> dict[str, str]:
    """Return the titles of the columns by name."""
    return {FLOOR: "Passed by Klein + treq"} | {
        upstream: f"to {TITLES[upstream]}" for upstream in UPSTREAMS
    }


def measure_pairs(rounds: Rounds, place: Place, pace: float) -> None:
    """Run all pairs once, and add their values."""
    found: dict[str, dict[str, float]] = {name: {} for name in (FLOOR, *UPSTREAMS)}
    ours = our_columns({"gateway": SOURCE})[0]
    floor = floor_column("")
    with ExitStack() as stack:
        gateway = stack.enter_context(ours.start(place))
        proxy = stack.enter_context(floor.start(place))
        for program in (gateway, proxy):
            program.wait_serving(RequestSpec("openai", "openai"))
        for protocol in PROTOCOLS:
            for case in (_WHOLE, _STREAM):
                key = f"{protocol} {case.name}"
                spec = RequestSpec(protocol, protocol)
                cost = _cost(rounds, floor, proxy, case, spec, pace)
                found[FLOOR][key] = cost
                for upstream in UPSTREAMS:
                    spec = RequestSpec(protocol, upstream)
                    found[upstream][key] = _cost(rounds, ours, gateway, case, spec, pace)
    for name, values in found.items():
        rounds.values.setdefault(name, []).append(values)


def _cost(
    rounds: Rounds, column: Column, program: Program, case: Case, spec: RequestSpec, pace: float
) -> float:
    """Return the CPU time of a request in ms, or of a chunk in µs."""
    measure(program, case.with_column(spec, 0.2 * pace))
    figures = measure(program, case.with_column(spec, pace))
    result = figures.result
    if result.faults:
        pair = f"{spec.protocol} to {spec.upstream}, {case.name}"
        rounds.add_fault(column, f"{pair}: {result.faults[0][:300]}")
    assert figures.cpu is not None
    if case is _WHOLE:
        return figures.cpu / max(1, result.responses) * 1000
    return figures.cpu / max(1, result.marks) * 1e6
