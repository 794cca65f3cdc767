"""The tables of docs/capacity.rst are computed from the figures of the benchmarks."""

from __future__ import annotations

import pytest

from bench.capacity import BEGIN, DOCS, END, LOADS, PAGE, Costs, Load, needs, read_costs, render

PERFORMANCE = (DOCS / "performance.rst").read_text("utf-8")
COSTS = Costs(
    request=0.001,
    chunk=0.0001,
    idle=70,
    stream=0.05,
    postgres_row=0.0,
    sqlite_row=0.0,
    state_operation=0.0,
)


def test_page_has_the_computed_tables() -> None:
    shown = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    message = "python -m bench.capacity --write computes the tables from docs/performance.rst"
    assert shown == render(read_costs(PERFORMANCE)), message


def test_costs_are_read_from_the_column_of_translated_requests() -> None:
    row = "   * -\n     - nginx\n     - antigravity, Anthropic → Gemini\n"
    for name, value in {
        "A32, CPU per request, ms": "0.50 (0.1)",
        "C500, CPU per chunk, µs": "1,200 (9)",
        "C500, memory, MiB": "120 (1.2)",
        "Memory, idle, MiB": "70.0 (1.3)",
    }.items():
        row += f"   * - {name}\n     - 9,999\n     - {value}\n"
    found = read_costs(f".. table main begins\n\n{row}\n:Date: x\n\n.. table main ends\n")
    assert (found.request, found.chunk) == (0.0005, 0.0012)
    assert (found.idle, found.stream) == (70, 0.1)


def test_missing_row_is_named() -> None:
    with pytest.raises(ValueError, match="C500, CPU per chunk"):
        read_costs(PERFORMANCE.replace("C500, CPU per chunk, µs", "C500, CPU"))


def test_needs_grow_with_rate_chunks_and_time() -> None:
    found = needs(COSTS, Load("streams", 100, 10.0), 60)
    assert found.cores == pytest.approx(60 * (0.001 + 100 * 0.0001))
    assert found.workers == 2
    assert found.open_requests == 600
    assert found.memory == pytest.approx(2 * 70 + 600 * 0.05)
    assert found.redis == 120
    assert found.redis_cores == pytest.approx(120 * 50e-6)
    assert found.rows == 60 * 86_400
    assert found.disk == pytest.approx(60 * 86_400 / 1e6 * 0.9)


def test_a_worker_is_needed_for_the_smallest_load() -> None:
    assert needs(COSTS, LOADS[0], 0.01).workers == 1


def test_a_row_of_the_ledger_costs_what_the_dearer_store_takes() -> None:
    load = Load("whole", 0, 1.0)
    dear = Costs(0.0, 0.0, 70, 0.05, sqlite_row=0.001, postgres_row=0.002, state_operation=0.0)
    assert needs(dear, load, 100).cores == pytest.approx(0.2)


def test_shared_limits_cost_a_request_two_round_trips() -> None:
    costs = Costs(0.0, 0.0, 70, 0.05, sqlite_row=0.0, postgres_row=0.0, state_operation=0.001)
    assert needs(costs, Load("whole", 0, 1.0), 100).cores == pytest.approx(0.2)
