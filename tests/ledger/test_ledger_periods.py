"""Days and months of time zones, as ranges of hours."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from antigravity.ledger.periods import Unit, periods

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_days_are_those_of_the_zone_also_when_clocks_change() -> None:
    found = periods("day", at("2026-03-28 12:00"), at("2026-03-30 12:00"), BERLIN)
    assert [(each.name, each.until - each.since) for each in found] == [
        ("2026-03-30", 24),
        ("2026-03-29", 23),
        ("2026-03-28", 24),
    ]
    found = periods("day", at("2026-10-25 01:00"), at("2026-10-25 23:00"), BERLIN)
    assert [(each.name, each.until - each.since) for each in found] == [("2026-10-25", 25)]


def test_months_and_hours() -> None:
    months = periods("month", at("2026-01-31 12:00"), at("2026-03-01 12:00"), BERLIN)
    assert [each.name for each in months] == ["2026-03", "2026-02", "2026-01"]
    assert months[1].until - months[1].since == 28 * 24
    hours = periods("hour", 0, 3 * 3600 - 1, UTC)
    assert [(each.since, each.until) for each in hours] == [(2, 3), (1, 2), (0, 1)]


@pytest.mark.parametrize("unit", ["hour", "day", "month"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "UTC"])
def test_periods_are_adjacent_and_bounded(unit: Unit, zone: str) -> None:
    found = periods(unit, 0, 1_800_000_000, ZoneInfo(zone))
    assert 600 < len(found) <= 1000
    for later, earlier in pairwise(found):
        assert earlier.until == later.since
        assert earlier.name < later.name
