"""Budgets, durations, networks and times are read as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.ip_networks import client_network, in_networks, parse_network
from antigravity.keys.values import (
    Period,
    parse_budget,
    parse_duration,
    parse_expiry,
    parse_times,
    period_at,
    zone,
)

MONDAY = datetime(2026, 11, 30, 12, 0)


@given(st.integers(1, 10**9), st.sampled_from(get_args(Period)))
def test_budget_survives_being_written_and_read(micro: int, period: Period) -> None:
    text = f"{micro // 10**6}.{micro % 10**6:06}/{period}"
    budget = parse_budget(text)
    assert budget.amount == micro * 1000
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize(
    "text", ["", "5", "/day", "5/year", "-5/day", "0/day", "1e9/day", "5.0000001/day", "\u0665/day"]
)
def test_wrong_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="budget"):
        parse_budget(text)


def test_expiry_is_stored_as_definite_time() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
    assert parse_expiry("30d", now) == "2026-12-30T00:00:00+00:00"
    assert parse_expiry("2027-01-01T01:00:00+01:00", now) == "2027-01-01T00:00:00+00:00"
    assert parse_expiry("never", now) == parse_expiry("", now) == ""
    for text in ("soon", "30", "30y", "2027-13-01"):
        with pytest.raises(ValueError, match="neither"):
            parse_expiry(text, now)
    assert parse_expiry(parse_expiry("15m", now), 0.0) == parse_expiry("15m", now)
    assert parse_duration("0") == 0.0


def test_times_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    nights = parse_times("mon-fri 22:00-06:00")
    assert nights.includes(MONDAY.replace(hour=23))
    assert not nights.includes(MONDAY.replace(hour=5))  # the night of Sunday
    saturday = MONDAY + timedelta(days=5)
    assert nights.includes(saturday.replace(hour=5))
    assert not nights.includes(saturday.replace(hour=23))
    assert parse_times("sat-mon 00:00-24:00").days == {5, 6, 0}


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 7 * 1440 - 1))
def test_times_and_their_complement_cover_each_minute_once(
    begin: int, end: int, minute: int
) -> None:
    if begin == end:
        return
    moment = MONDAY + timedelta(minutes=minute)
    clock = [f"{each // 60:02}:{each % 60:02}" for each in (begin, end)]
    inside = parse_times(f"{clock[0]}-{clock[1]}").includes(moment)
    assert inside is not parse_times(f"{clock[1]}-{clock[0]}").includes(moment)


@pytest.mark.parametrize("text", ["8-18", "25:00-26:00", "08:60-09:00", "fun 08:00-09:00", ""])
def test_wrong_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day"):
        parse_times(text)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.sampled_from(get_args(Period)))
def test_period_holds_until_its_end_and_no_longer(moment: datetime, period: Period) -> None:
    for zoned in (moment, moment.replace(tzinfo=ZoneInfo("America/New_York"))):
        name, end = period_at(period, zoned)
        if end is None:
            assert period == "total"
            continue
        assert end > zoned
        assert period_at(period, end - timedelta(microseconds=1))[0] == name
        assert period_at(period, end)[0] != name


def test_network_of_ipv4_includes_mapped_addresses() -> None:
    networks = (parse_network("10.0.0.0/8"), parse_network("2001:db8::1"))
    assert in_networks("10.1.2.3", networks)
    assert in_networks("::ffff:10.1.2.3", networks)
    assert in_networks("2001:db8::1%eth0", networks)
    for address in ("11.0.0.1", "2001:db8::2", "local", "", "::ffff:11.0.0.1"):
        assert not in_networks(address, networks)
    assert client_network("2001:db8::1") == client_network("2001:db8::2")
    assert client_network("10.0.0.1") != client_network("10.0.0.2")


def test_unknown_time_zone_is_refused() -> None:
    assert zone("") is None
    for name in ("Nowhere/Land", "../etc/passwd", "/etc/passwd"):
        with pytest.raises(ValueError, match="not known"):
            zone(name)
