"""The values of rules, as people write them: budgets, durations and times.  Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, get_args

from msgspec import Struct

Period = Literal["day", "week", "month", "total"]

PERIODS: Final[tuple[Period, ...]] = get_args(Period)
NANODOLLARS: Final = 1_000_000_000
#: The largest budget in US dollars.
_MOST_DOLLARS: Final = 1_000_000_000
_BUDGET: Final = re.compile(r"\$?([0-9]{1,10}(?:\.[0-9]{1,6})?)\s*/\s*([a-z]+)")
_DURATION: Final = re.compile(r"([0-9]{1,6})\s*(m|h|d|w)")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: The longest time until a key expires, in seconds.
_LONGEST: Final = 100 * 366 * 86_400
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES: Final = re.compile(
    r"(?:([a-z,\-]+)\s+)?([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})"
)
_DAY_MINUTES: Final = 24 * 60


class Budget(Struct, frozen=True):
    """An amount in nanodollars for each period."""

    amount: int
    period: Period

    def __str__(self) -> str:
        return f"{dollars(self.amount)}/{self.period}"


class Times(Struct, frozen=True):
    """Minutes of some days; ``end`` is on the next day if it is not after ``begin``."""

    days: frozenset[int]
    begin: int
    end: int

    def includes(self, moment: datetime) -> bool:
        """Return whether a local time is within."""
        minute = moment.hour * 60 + moment.minute
        today, yesterday = moment.weekday(), (moment.weekday() - 1) % 7
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or (
            yesterday in self.days and minute < self.end
        )


def dollars(amount: int) -> str:
    """Return nanodollars as US dollars, with at least two places."""
    text = f"{Decimal(amount) / NANODOLLARS:.9f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<2}"


def parse_budget(text: str) -> Budget:
    """Return the budget in a text such as ``5.00/day``.

    :raises ValueError: if it is invalid.
    """
    found = _BUDGET.fullmatch(text.strip().lower())
    if found is None or found[2] not in PERIODS:
        raise ValueError(f"{text!r} is not a budget such as 5.00/day; periods: {_listed(PERIODS)}")
    amount = int(Decimal(found[1]) * NANODOLLARS)
    if not 0 < amount <= _MOST_DOLLARS * NANODOLLARS:
        raise ValueError(f"the budget {text!r} is not between 0.000001 and {_MOST_DOLLARS} dollars")
    return Budget(amount, found[2])


def parse_duration(text: str) -> float:
    """Return the seconds in a text such as ``30d``, ``12h``, ``15m``, ``2w`` or ``0``.

    :raises ValueError: if it is invalid, or too long.
    """
    if text.strip() == "0":
        return 0.0
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 30d, 12h, 15m or 2w")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST:
        raise ValueError(f"the duration {text!r} is longer than 100 years")
    return float(seconds)


def parse_expiry(text: str, now: float) -> str:
    """Return the end of a key in ISO 8601, empty for never.

    :param text: a time in ISO 8601 (without an offset it is in UTC), a duration, or empty.
    :raises ValueError: if it is something else.
    """
    text = text.strip()
    if not text or text.lower() == "never":
        return ""
    if _DURATION.fullmatch(text.lower()):
        moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=parse_duration(text))
    else:
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(
                f"{text!r} is neither a duration such as 30d nor a time such as "
                "2030-01-31T18:00:00Z"
            ) from None
    return iso_time(moment.timestamp())


def iso_time(seconds: float) -> str:
    """Return a time since the epoch in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def parse_times(text: str) -> Times:
    """Return the times in a text such as ``mon-fri 08:00-18:00`` or ``22:00-06:00``.

    :raises ValueError: if it has none.
    """
    found = _TIMES.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a time such as mon-fri 08:00-18:00 or 22:00-06:00")
    begin, end = _minute(text, found[2], found[3]), _minute(text, found[4], found[5])
    if begin in (end, _DAY_MINUTES):
        raise ValueError(f"the times {text!r} do not begin before they end")
    return Times(_days(text, found[1] or "mon-sun"), begin, end % (_DAY_MINUTES + 1))


def _minute(text: str, hour: str, minute: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > _DAY_MINUTES:
        raise ValueError(f"{text!r} has a time of day that does not exist")
    return value


def _days(text: str, names: str) -> frozenset[int]:
    days: set[int] = set()
    for part in names.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f"{text!r} has an unknown day; days: {_listed(_DAYS)}")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return frozenset(days)


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo | None:
    """Return a time zone, ``None`` (the machine's own) for an empty name.

    :raises ValueError: if it is not known here.
    """
    if not name:
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"the time zone {name!r} is not known, such as Europe/Berlin") from None


def period_at(period: Period, moment: datetime) -> tuple[str, datetime | None]:
    """Return the name of the period that a local time is in, and when it ends.

    The calendar decides: days begin at midnight, weeks on Monday, months on the first day.
    """
    if period == "total":
        return "total", None
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "day":
        return f"{midnight:%Y-%m-%d}", midnight + timedelta(days=1)
    if period == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        year, week, _ = monday.isocalendar()
        return f"{year}-W{week:02}", monday + timedelta(days=7)
    first = midnight.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return f"{first:%Y-%m}", following


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
