"""Rows from records: names, disjoint tokens, numbers, and sums."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.record import AttemptRecord, RequestTimes
from antigravity.ir.usage import Usage
from antigravity.ledger.client_name import client_name
from antigravity.ledger.names import OTHER, Names
from antigravity.ledger.queries import LIST_COLUMNS
from antigravity.ledger.rows import (
    Cost,
    RequestRow,
    RowNumbers,
    attempt_rows,
    number_at,
    request_row,
    time_of,
)
from antigravity.ledger.sums import HourSums
from tests.support.records import HOUR, make_record, price

COUNTS = st.integers(0, 10**9)


def test_row_has_names_times_and_counts() -> None:
    row = request_row(make_record(), 7, price)
    assert (row.number, row.id, row.started) == (7, "req_1", 1_796_032_800_000_000)
    assert (row.client, row.model, row.served_model) == (
        "claude-code",
        "claude-opus-4-6",
        "gemini-3-pro",
    )
    assert (row.upstream, row.account, row.attempts) == ("google", "a@google", 1)
    assert (row.first_byte, row.duration) == (250_000, 2_000_000)
    assert (row.cost, row.list_cost, row.price_version) == (30_000, 60_000, "test/1")
    (attempt,) = attempt_rows(make_record(), 7)
    assert (attempt.request, attempt.position, attempt.started) == (7, 0, 100_000)


def test_each_field_of_a_row_has_its_own_value() -> None:
    usage = Usage(
        input_total=100_000,
        cached=20_000,
        cache_write=3_000,
        output=500,
        reasoning=70,
        tool_input=1,
        searches=2,
        image_input=3,
        image_output=4,
        audio_input=5,
        audio_output=6,
        cache_write_1h=1_000,
    )
    record = make_record(
        usage=usage,
        status=299,
        error="Kind: text",
        session="s",
        compressed="l1",
        intercepted="warmup:x",
        route=("a", "b"),
        times=RequestTimes(0.001, 0.02, 0.3, 4.0),
    )
    row = msgspec.structs.asdict(request_row(record, 7, price))
    assert {name: row[name] for name in list(row)[5:]} == {
        "stream": 1,
        "client": "claude-code",
        "key": record.principal,
        "session": "s",
        "model": "claude-opus-4-6",
        "served_model": "gemini-3-pro",
        "upstream": "google",
        "account": "a@google",
        "outcome": "ok",
        "status": 299,
        "error_kind": "Kind",
        "error": "text",
        "attempts": 1,
        "first_byte": 250_000,
        "duration": 2_000_000,
        "overhead": 321_000,
        "queue": 20_000,
        "input": 77_000,
        "cached": 20_000,
        "cache_write": 2_000,
        "cache_write_1h": 1_000,
        "output": 430,
        "reasoning": 70,
        "tool_input": 1,
        "image_input": 3,
        "image_output": 4,
        "audio_input": 5,
        "audio_output": 6,
        "searches": 2,
        "cost": 500_000,
        "list_cost": 1_000_000,
        "price_version": "test/1",
        "compressed": "l1",
        "intercepted": "warmup:x",
        "route": "a\nb",
        "warnings": None,
    }


def test_each_field_of_an_attempt_has_its_own_value() -> None:
    attempt = AttemptRecord("up", "m", "c", "p", True, 0.5, 1.5, 429, "slow")
    (row,) = attempt_rows(make_record(attempts=[attempt]), 7)
    assert msgspec.structs.astuple(row) == (
        *(7, 0, "up", "m", "c", "p", 1, 429, "slow", 500_000, 1_500_000),
    )


def test_columns_of_lists_are_fields_of_rows() -> None:
    assert set(LIST_COLUMNS) <= {field.name for field in msgspec.structs.fields(RequestRow)}


@given(st.builds(Usage, *[COUNTS] * 3, output=COUNTS, reasoning=COUNTS, cache_write_1h=COUNTS))
def test_token_counts_are_disjoint(usage: Usage) -> None:
    row = request_row(make_record(usage=usage), 1, lambda record: Cost())
    parts = (row.cached, row.cache_write + row.cache_write_1h, row.output + row.reasoning)
    assert min(row.input, row.cache_write, row.output) >= 0
    if usage.cached + usage.cache_write <= usage.input_total:
        assert row.cache_write_1h > usage.cache_write or (
            row.input + parts[0] + parts[1] == usage.input_total
        )
    if usage.reasoning <= usage.output:
        assert parts[2] == usage.output


def test_numbers_and_texts_of_others_can_be_stored() -> None:
    usage = Usage(2**70, -5, 2**70, 2**64, -1)
    record = make_record(usage=usage, route=("\ud800: a -> b",), error="Kind: \ud800")
    row = request_row(record, 1, lambda record: Cost())
    assert row.cached == row.reasoning == 0
    assert row.input <= row.cache_write == row.output == 10**12
    assert (row.route, row.error) == ("?: a -> b", "?")


def test_error_is_split_and_cut() -> None:
    row = request_row(make_record(error="RateLimitError: slow\x07 down" + "x" * 5000), 1, price)
    assert row.error_kind == "RateLimitError"
    assert row.error is not None
    assert row.error.startswith("slow downx")
    assert len(row.error) == 1000


def test_names_from_clients_are_cut_and_can_be_stored() -> None:
    row = request_row(make_record(model="\ud800" + "m" * 1000), 1, price)
    assert row.model.encode()
    assert len(row.model) == 200


def test_numbers_increase_when_clock_goes_back() -> None:
    numbers = RowNumbers(node=3)
    found = [numbers.next(time) for time in (100, 100, 50, 200)]
    assert found == sorted(set(found))
    assert [time_of(number) for number in found] == [100, 101, 102, 200]
    assert number_at(100) <= found[0] < number_at(101)


def test_numbers_follow_clock_that_was_far_ahead() -> None:
    """Otherwise all further rows would be in the future, where no time range ends."""
    hour = 3600 * 1_000_000
    numbers = RowNumbers()
    found = [numbers.next(time) for time in (100 * hour, 99 * hour, 98 * hour, 98 * hour)]
    assert [time_of(number) for number in found] == [
        100 * hour,
        100 * hour + 1,
        98 * hour,
        98 * hour + 1,
    ]
    numbers = RowNumbers()
    numbers.follow(number_at(100 * hour))
    assert time_of(numbers.next(50 * hour)) == 50 * hour


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("claude-cli/2.1.3 (external, cli)", "claude-code"),
        ("codex_cli_rs/0.90.0 (Debian 12)", "codex"),
        ("OpenAI/Python 3.1.0", "openai-python"),
        ("AsyncAnthropic/Python 2.0", "anthropic-python"),
        ("MyTool/7", "mytool"),
        ("<script>", ""),
        ("", ""),
    ],
)
def test_clients_are_known_by_user_agent(agent: str, name: str) -> None:
    assert client_name(agent) == name


def test_sums_are_by_hour_and_names() -> None:
    sums = HourSums()
    for record in (
        make_record(1),
        make_record(2),
        make_record(3, outcome="error", first_byte=None, usage=None),
        make_record(4, mapped_model="unknown-1", outcome="cancelled"),
        make_record(5, started=1_796_032_800.0 + 3600),
    ):
        sums.add(request_row(record, 1, price))
    combined: dict[Any, Any] = {
        (each["hour"] - HOUR, each["model"]): each  # type: ignore[operator]
        for each in sums.combined()
    }
    assert len(combined) == 3
    both = combined[0, "gemini-3-pro"]
    assert (both["requests"], both["errors"], both["input"], both["output"]) == (3, 1, 100, 20)
    assert (both["first_bytes"], both["attempts"], both["unpriced"]) == (2, 3, 0)
    assert (both["cost"], both["list_cost"]) == (60_000, 120_000)
    assert combined[0, "unknown-1"]["unpriced"] == combined[0, "unknown-1"]["cancelled"] == 1
    single: dict[Any, Any] = {
        (each["kind"], each["hour"], each["name"]): each["requests"] for each in sums.single()
    }
    assert single["all", HOUR, ""] == 4
    assert single["model", HOUR, "unknown-1"] == 1
    assert single["client", HOUR + 1, "claude-code"] == 1


def test_too_many_names_become_other() -> None:
    names = Names(("model", f"m{number}", 1) for number in range(1000))
    row = request_row(make_record(model="one-more"), 1, price)
    used = names.use(row, 5)
    assert row.model == OTHER
    assert {"kind": "model", "name": OTHER, "used": 5} in used
    assert names.use(row, 5) == []
