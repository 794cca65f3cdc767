"""Hours, days and months of a time zone, as ranges of hours since the epoch."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal

from msgspec import Struct

_HOUR: Final = 3600
#: The most periods of one answer.
_LIMIT: Final = 1000

Unit = Literal["hour", "day", "month"]


class Period(Struct, frozen=True):
    """A period with its name, such as ``2026-11-30``; ``until`` is the first hour after it."""

    name: str
    since: int
    until: int


def hour_of(seconds: float) -> int:
    """Return the hour since the epoch of a time in seconds since the epoch."""
    return int(seconds // _HOUR)


def hour_name(hour: int, zone: tzinfo) -> str:
    """Return the name of an hour since the epoch."""
    return _name("hour", datetime.fromtimestamp(hour * _HOUR, zone))


def periods(unit: Unit, since: float, until: float, zone: tzinfo) -> list[Period]:
    """Return the periods of a time zone that touch a time range, newest first.

    Where a time zone differs from the universal time by a fraction of an hour, days begin at the
    next full hour of the universal time.

    :param since: in seconds since the epoch, as ``until``.
    """
    found: list[Period] = []
    end = datetime.fromtimestamp(until, zone)
    start = _start(unit, end)
    after = _next(unit, start)
    while len(found) < _LIMIT and after.timestamp() > since:
        found.append(Period(_name(unit, start), _full_hour(start), _full_hour(after)))
        after, start = start, _start(unit, _before(unit, start))
    return found


def _start(unit: Unit, moment: datetime) -> datetime:
    if unit == "hour":
        return datetime.fromtimestamp(moment.timestamp() // _HOUR * _HOUR, moment.tzinfo)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return day.replace(day=1) if unit == "month" else day


def _next(unit: Unit, start: datetime) -> datetime:
    if unit == "hour":
        return datetime.fromtimestamp(start.timestamp() + _HOUR, start.tzinfo)
    return _start(unit, start + timedelta(days=32 if unit == "month" else 1, hours=2))


def _before(unit: Unit, start: datetime) -> datetime:
    if unit == "hour":
        return datetime.fromtimestamp(start.timestamp() - 1, start.tzinfo)
    return start - timedelta(hours=2)


def _full_hour(moment: datetime) -> int:
    return -int(-moment.timestamp() // _HOUR)


def _name(unit: Unit, start: datetime) -> str:
    if unit == "hour":
        return start.isoformat(timespec="minutes")
    return start.strftime("%Y-%m" if unit == "month" else "%Y-%m-%d")
