"""The estimate learns what upstreams count, and nothing senseless teaches it anything."""

from __future__ import annotations

import json
import statistics
from functools import cache
from pathlib import Path
from typing import Any

import docutils.core
import pytest
from docutils import nodes
from hypothesis import given
from hypothesis import strategies as st

from antigravity.context.calibration import ENOUGH, HIGHEST, LOWEST, MODELS, Calibration
from antigravity.context.estimate import estimate_tokens
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.simulator.parsers import chat
from tests.context.corpus import KINDS, requests

DOCS = Path(__file__).parents[2] / "docs" / "protocols.rst"


def observe(calibration: Calibration, ratio: float, *, estimate: int = 1_000_000) -> None:
    calibration.observe("m", Usage(input_total=round(estimate * ratio)), lambda: estimate)


@given(st.lists(st.floats(0.0, 100.0), max_size=60))
def test_factor_stays_within_its_bounds(ratios: list[float]) -> None:
    calibration = Calibration()
    for ratio in ratios:
        observe(calibration, ratio)
        assert LOWEST <= calibration.factor("m") <= HIGHEST
    reported = [ratio for ratio in ratios if LOWEST / 2 <= ratio <= HIGHEST * 2]
    if len(reported) > ENOUGH:
        clamped = [min(max(ratio, LOWEST), HIGHEST) for ratio in reported]
        assert min(clamped) - 1e-3 <= calibration.factor("m") <= max(clamped) + 1e-3


@given(
    st.lists(st.floats(LOWEST, HIGHEST), max_size=30),
    st.floats(LOWEST, HIGHEST),
    st.lists(st.floats(-0.05, 0.05), min_size=60, max_size=60),
)
def test_factor_converges(before: list[float], true: float, noise: list[float]) -> None:
    calibration = Calibration()
    for ratio in before:
        observe(calibration, ratio)
    for each in noise:
        observe(calibration, min(max(true * (1 + each), LOWEST), HIGHEST))
    assert abs(calibration.factor("m") / true - 1) < 0.051


def test_factor_applies_after_three_reports() -> None:
    changes: list[int] = []
    calibration = Calibration(lambda: changes.append(1))
    for reports in range(1, ENOUGH):
        observe(calibration, 2.0)
        assert (len(changes), calibration.applied("m", 100)) == (reports, 100)
    observe(calibration, 2.0)
    assert calibration.applied("m", 100) == 200
    assert calibration.applied("another", 100) == 100


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(input_total=2000, cached=1500),
        Usage(input_total=2000, tool_input=500),
        Usage(input_total=2000, searches=1),
        Usage(input_total=99),
        Usage(input_total=100_000),
        Usage(input_total=-5),
    ],
)
def test_implausible_reports_are_ignored(usage: Usage) -> None:
    calibration = Calibration()
    for _ in range(5):
        calibration.observe("m", usage, lambda: 1000)
    assert calibration.factor("m") == 1.0
    calibration.observe("m", Usage(input_total=150), lambda: 99)
    assert calibration.snapshot() == {"models": {}}


def test_ignored_reports_are_not_estimated() -> None:
    def never() -> int:
        raise AssertionError

    Calibration().observe("m", Usage(input_total=2000, cached=1), never)


def test_factors_survive_a_restart() -> None:
    before, after = Calibration(), Calibration()
    for _ in range(5):
        observe(before, 1.7)
    kept = json.loads(json.dumps({"version": 1, **before.snapshot()}))
    assert after.restore(kept)
    assert after.factor("m") == before.factor("m") == pytest.approx(1.7)
    assert Calibration().restore({})


@pytest.mark.parametrize("factor", [{"value": 1e9}, {"value": "x"}, {"reports": -1}, None])
def test_invalid_snapshot_is_not_restored(factor: Any) -> None:
    calibration = Calibration()
    assert not calibration.restore({"models": {"m": factor}})
    assert calibration.factor("m") == 1.0


def test_number_of_models_is_limited() -> None:
    calibration = Calibration()
    for number in range(MODELS + 20):
        for _ in range(ENOUGH):
            calibration.observe(str(number), Usage(input_total=2000), lambda: 1000)
    assert len(calibration.snapshot()["models"]) == MODELS
    assert (calibration.factor("0"), calibration.factor(str(MODELS))) == (1.0, 2.0)


# How far off it is


def counted(request: Request) -> int:
    """Return what the simulator counts for a request to a chat upstream."""
    body = OPENAI_CHAT_CLIENT.encode(request, Target("m", Capabilities())).body
    return chat.parse(json.loads(body)).count_tokens()


def error(calibration: Calibration, model: str, asked: list[Request]) -> float:
    """Return the mean distance between estimates and counts, in percent of the counts."""
    return 100 * statistics.mean(
        abs(calibration.applied(model, estimate_tokens(each)) / counted(each) - 1) for each in asked
    )


@cache
def errors() -> dict[str, tuple[int, int, int]]:
    """Return for each kind the error without calibration, with its own, and with a shared one."""
    own, shared = Calibration(), Calibration()
    lessons = [(kind, each) for kind in KINDS for each in requests(kind, 30, seed=1)]
    for kind, each in lessons:
        usage = Usage(input_total=counted(each))
        own.observe(kind, usage, lambda each=each: estimate_tokens(each))  # type: ignore[misc]
    # A conversation of all kinds: one after the other in turn.
    for place in range(30):
        for _, each in lessons[place::30]:
            usage = Usage(input_total=counted(each))
            shared.observe("all", usage, lambda each=each: estimate_tokens(each))  # type: ignore[misc]
    found = {}
    for kind in KINDS:
        asked = requests(kind, 30, seed=2)
        figures = (
            error(Calibration(), kind, asked),
            error(own, kind, asked),
            error(shared, "all", asked),
        )
        found[kind] = tuple(map(round, figures))
    return found  # type: ignore[return-value]


def test_calibration_improves_estimates() -> None:
    for kind, (before, own, _) in errors().items():
        assert own < before, kind


def test_documented_errors_match_measured_ones() -> None:
    document = docutils.core.publish_doctree(DOCS.read_text("utf-8"))
    tables = [
        [[cell.astext() for cell in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        for table in document.findall(nodes.table)
    ]
    (shown,) = (rows[1:] for rows in tables if rows[0][0] == "Text")
    measured = [[kind, *(f"{figure} %" for figure in row)] for kind, row in errors().items()]
    assert shown == measured
