"""The benchmarks read what they measure, and judge it as they say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.cases import CASES, ROWS, Figures, values
from bench.instructions import compare
from bench.load import Load, Result, percentile, run
from bench.peers import PEERS_FILE, Place, peer_columns
from bench.programs import upstream
from bench.requests import PROTOCOLS, RequestSpec
from bench.scenarios import SCENARIOS, GatewayInMemory
from bench.soak import Sample, problems_of
from bench.table import Results, markdown, replace_between, rst
from bench.wire import FORMATS, MARK

ROOT = Path(__file__).parents[2]


def test_gateway_in_memory_serves_every_scenario(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    gateway = GatewayInMemory(home)
    try:
        for spec in SCENARIOS.values():
            gateway.request(spec, spec.request(80), check=True)
    finally:
        gateway.stop()


def test_every_scenario_has_a_budget() -> None:
    budgets = tomllib.loads((ROOT / "bench" / "budgets.toml").read_text())
    assert budgets
    for table in budgets.values():
        assert table["budgets"].keys() == SCENARIOS.keys()
        assert all(budget > 100 for budget in table["budgets"].values())


def test_compare_allows_three_percent(capsys: pytest.CaptureFixture[str]) -> None:
    budgets = {"a": 1000, "b": 1000, "gone": 1000}
    problems = compare({"a": 1_029_000, "b": 1_031_000, "new": 1.0}, budgets)
    assert problems == [
        "b takes 3.1% more than its budget",
        "new has no budget",
        "there is no request for the budget gone",
    ]
    assert "UPDATE" not in capsys.readouterr().out
    assert compare({"a": 899_000}, {"a": 1000}) == []
    assert "make instructions UPDATE=1" in capsys.readouterr().out


@pytest.mark.parametrize("name", FORMATS)
def test_streams_have_each_mark_once(name: str) -> None:
    pieces = FORMATS[name].stream(3)
    texts = b"".join(pieces.text(number, 5) for number in range(3))
    assert MARK.findall(texts) == [(b"0", b"5"), (b"1", b"5"), (b"2", b"5")]
    assert not MARK.findall(pieces.first + pieces.last)
    assert len(MARK.findall(FORMATS[name].whole())) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clients_count_pieces_and_measure_lag(protocol: str, tmp_path: Path) -> None:
    with upstream(tmp_path) as program:
        spec = RequestSpec(protocol, protocol, stream=True, pieces=3, pause=1)
        result = run(program.port, Load(spec, 2, 5.0, requests=4)).check()
        assert (result.responses, result.marks, len(result.lags)) == (4, 12, 12)
        assert all(0 <= lag < 5000 for lag in result.lags)
        whole = run(program.port, Load(RequestSpec(protocol, protocol), 1, 5.0, requests=1))
        assert (whole.check().marks, whole.lags) == (1, [])


def test_clients_notice_missing_pieces(tmp_path: Path) -> None:
    with upstream(tmp_path) as program:
        spec = RequestSpec("openai", "openai", stream=True, pieces=4, model="openai-3-0")
        result = run(program.port, Load(spec, 1, 5.0, requests=2))
    assert result.responses == 0
    assert [fault.split(":")[0] for fault in result.faults] == ["status 200, 3 pieces"] * 2
    with pytest.raises(RuntimeError, match="3 pieces"):
        result.check()


def test_percentile_of_no_values_is_none() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(100)), 0.99) == 99


def test_values_are_costs_of_units() -> None:
    result = Result(latencies=[1.0] * 4, first=[0.5] * 4, marks=40, seconds=2.0)
    figures = Figures(result, cpu=0.008)
    assert values("A32", figures) == {
        "A32 cpu per request": pytest.approx(2.0),
        "A32 p99": 1.0,
        "A32 rate": 2.0,
    }
    assert values("B32", figures) == {"B32 cpu per chunk": pytest.approx(200.0)}


def test_every_row_has_values() -> None:
    figures = Figures(Result(latencies=[1], first=[1], lags=[1], marks=1, seconds=1), 1, 1)
    found = {key for case in CASES for key in values(case, figures)}
    extra = {"A1 added p99", "cold start", "idle memory"}
    assert found | extra == {row.key for row in ROWS}


def example_results() -> Results:
    rounds = {
        "floor": [{"A1 p50": 2.0}, {"A1 p50": 4.0}, {"A1 p50": 3.0}],
        "ours": [{"A1 p50": 1.5}, {}],
    }
    columns = {"floor": "Plain", "ours": "Gateway"}
    return Results("Title", {"Date": "a day"}, columns, rounds, "floor", ["2 * 3 failed"])


def test_markdown_shows_medians_and_ratios() -> None:
    lines = markdown(example_results()).splitlines()
    assert "| A1, round trip, median, ms | 3.00 | 1.50 (0.50) |" in lines
    assert "* Date: a day" in lines


def test_rst_replaces_the_table_of_its_name() -> None:
    text = "a\n\n.. table main begins\n\nold\n\n.. table main ends\n\nb\n"
    new = replace_between(text, "main", rst(example_results()))
    assert "old" not in new
    assert "   * - A1, round trip, median, ms\n     - 3.00\n     - 1.50 (0.50)\n" in new
    assert "2 \\* 3 failed" in new
    assert new.startswith("a\n\n.. table main begins\n\n.. list-table:: Title\n")
    assert replace_between(new, "main", rst(example_results())) == new
    with pytest.raises(ValueError, match="tls"):
        replace_between(text, "tls", "x")


def test_page_has_all_tables() -> None:
    text = (ROOT / "docs" / "performance.rst").read_text("utf-8")
    for name in ("main", "tls", "http2", "pairs"):
        replace_between(text, name, "x")


def test_missing_peers_are_noted(tmp_path: Path) -> None:
    columns, notes = peer_columns(PEERS_FILE, tmp_path)
    assert {column.name for column in columns} <= {"nginx"}
    assert any(note.startswith("LiteLLM is not installed") for note in notes)


def test_place_fills_what_peers_need(tmp_path: Path) -> None:
    place = Place(tmp_path, "https", 9000, Path("/peers"))
    filled = place.fill("@SCHEME@://x:@UPSTREAM@ @PORT@ @FOLDER@ @PEERS@", 80, tmp_path)
    assert filled == f"https://x:9000 80 {tmp_path} /peers"


def samples(*memory: float) -> list[Sample]:
    return [Sample(number, value, 10) for number, value in enumerate(memory)]


def test_soak_fails_for_growing_memory_and_leftovers() -> None:
    idle = Sample(0, 50, 10, timers=2, sockets=3)
    assert problems_of(samples(50, 60, 80, 80, 81, 79, 82, 82), idle, idle) == []
    grown = problems_of(samples(50, 60, 80, 80, 81, 79, 83, 84), idle, idle)
    assert grown == ["the memory grew by 4.4%"]
    left = Sample(9, 50, 11, timers=2, sockets=4)
    found = problems_of(samples(*[50] * 8), idle, left)
    assert found == ["1 descriptors are left", "1 sockets are left"]
    assert problems_of(samples(50, 50), idle, idle) == ["the time is too short to judge the memory"]
