"""Parses the times at which limits end, in the formats of upstreams.

A value is relative (``6m0s``, ``1 hour 5 minutes``, ``PT36S``, ``39.5``) or absolute (RFC 3339, an
HTTP date, seconds or milliseconds since 1970, ``8pm (America/New_York)``).  Everything becomes
seconds from now, at least 0 and at most :data:`LONGEST`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from antigravity.ir.delays import LONGEST_DELAY

#: The maximum of a delay in seconds; longer ones are cut.
LONGEST: Final = LONGEST_DELAY
#: A larger number of seconds is a time since 1970, not a delay.
_EPOCH: Final = 1e9
#: A time since 1970 that is larger than this is in milliseconds, or a smaller unit.
_SECONDS_UNTIL: Final = 1e11
_LONGEST_TEXT: Final = 200

_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds", "毫秒"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "秒", "秒钟"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "分钟", "分鐘", "分"), 60.0),
    **dict.fromkeys(
        ("h", "hr", "hrs", "hour", "hours", "小时", "小時", "个小时", "個小時"), 3600.0
    ),
    **dict.fromkeys(("d", "day", "days", "天"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks", "周"), 7 * 86400.0),
    **dict.fromkeys(("month", "months", "个月"), 30 * 86400.0),
}
_UNIT: Final = f"(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})(?![a-z])"
_AMOUNT: Final = (
    r"(?:\d{1,3}(?:,\d{3}){1,9}(?![\d,])|\d{1,30}(?:\.\d{1,30})?"
    r"|\bhalf an?(?= )|\ban?(?= )|\bone(?= ))"
)
_STEP: Final = re.compile(rf"({_AMOUNT})[ -]?({_UNIT})", re.IGNORECASE)
_ISO_DURATION: Final = re.compile(
    r"P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d+)?)S)?)?"
)
_ISO_UNITS: Final = (7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0)
_COLONS: Final = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)")
_NUMBER: Final = re.compile(r"[+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,4})?")

_MONTH_NAMES: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_ZONE: Final = (
    r"(?:Z\b|\(?(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?\)?|[+-]\d{2}(?::?\d{2})?"
    r"|\(?[A-Z][A-Za-z]+/[A-Za-z_]+(?:/[A-Za-z_]+)?\)?)"
)
_CLOCK: Final = r"\d{1,2}(?::\d{2}){0,2}(?:\.\d{1,9})?(?: ?[ap]\.?m\b\.?)?"
_DATE: Final = (
    r"(?:\d{4}[-/]\d{1,2}[-/]\d{1,2}"
    r"|[A-Za-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}"
    r"|\d{1,2} [A-Za-z]{3,9}\.?,? \d{4}"
    # without a year, where a time of day follows
    r"|[A-Za-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?(?=,? (?:at )?\d{1,2}(?::\d\d| ?[ap]\.?m)))"
)
_MOMENT: Final = rf"(?:[A-Za-z]{{3}}, )?{_DATE}(?:T|,? (?:at )?){_CLOCK} ?{_ZONE}?"
_FULL_MOMENT: Final = re.compile(
    rf"(?:[A-Za-z]{{3}}, )?(?P<date>{_DATE})(?:(?:T|,? (?:at )?)(?P<clock>{_CLOCK}))? ?"
    rf"(?P<zone>{_ZONE})?",
    re.IGNORECASE,
)
_TIME_OF_DAY: Final = re.compile(rf"(?P<clock>{_CLOCK}) ?(?P<zone>{_ZONE})", re.IGNORECASE)

#: Placeholders in patterns for texts.
MACROS: Final[Mapping[str, str]] = {
    "<duration>": (
        # Seven units at most, so that the time to look for one is in proportion to the text.
        rf"(?:{_AMOUNT}[ -]?{_UNIT}(?:(?:,|,? and)? ?{_AMOUNT}[ -]?{_UNIT}){{0,6}}"
        r"|PT[\dHMS.]+|\d{1,4}:\d{2}:\d{2})"
    ),
    "<date>": _DATE,
    "<moment>": rf"(?:{_MOMENT}|\d{{10,16}}\b)",
    "<time of day>": rf"(?:{_CLOCK} ?{_ZONE})",
}


def seconds_until(
    value: Any, now: float, *, unit: float = 1.0, zone: tzinfo | None = UTC
) -> float | None:
    """Return the seconds from ``now`` to the time in ``value``; ``None`` if it has no time.

    :param now: seconds since 1970, by the upstream's clock if it is known.
    :param unit: the unit of a bare number, in seconds.
    :param zone: the time zone of absolute times that do not name one.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, dict):
        return _protobuf(value)
    if isinstance(value, int | float):
        return _number(value, now, unit)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT + 300:
        return None
    text = value.strip().strip('"')
    if _NUMBER.fullmatch(text):
        return _number(float(text), now, unit)
    if len(text) > _LONGEST_TEXT:
        return None
    found = duration(text)
    if found is None:
        moment = _moment(text, now, zone)
        found = None if moment is None else moment - now
    return None if found is None else _bounded(found)


def duration(text: str) -> float | None:
    """Return the seconds in ``6m0s``, ``1 hour 5 minutes``, ``PT1H5M`` or ``01:05:00``."""
    match = _ISO_DURATION.fullmatch(text)
    if match is not None and any(match.groups()):
        return sum(
            float(part or 0) * unit for part, unit in zip(match.groups(), _ISO_UNITS, strict=True)
        )
    match = _COLONS.fullmatch(text)
    if match is not None and match[1] is not None:
        return float(match[1]) * 3600 + float(match[2]) * 60 + float(match[3])
    steps = _STEP.findall(text)
    rest = _STEP.sub("", text).replace("and", "").strip(" ,.")
    if not steps or rest:
        return None
    return sum(_amount(amount) * _UNITS[unit.lower()] for amount, unit in steps)


def _amount(text: str) -> float:
    """Return ``1.5``, ``1,234``, ``an``, or ``half an`` as a number."""
    if text[0].isdigit():
        return float(text.replace(",", ""))
    return 0.5 if text.lower().startswith("half") else 1.0


def next_midnight(now: float, zone: tzinfo) -> float:
    """Return the seconds from ``now`` to the next midnight in ``zone``."""
    here = datetime.fromtimestamp(now, zone)
    tomorrow = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return _bounded(tomorrow.timestamp() - now)


def zone_of(name: str) -> tzinfo | None:
    """Return a time zone: ``UTC``, ``GMT-3``, ``+08:00``, or a name such as ``Europe/Berlin``.

    Names need the platform's time zone data; without it, ``None`` is returned.
    """
    name = name.strip("() ")
    if name.upper() in ("Z", "UTC", "GMT"):
        return UTC
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", name, re.IGNORECASE)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        if minutes >= 24 * 60:
            return None
        return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def http_date(text: str) -> float | None:
    """Return an HTTP date (RFC 9110, section 5.6.7) in seconds since 1970."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST)


def _number(number: float, now: float, unit: float) -> float | None:
    """Return the seconds for a number: a delay, or a time since 1970 in any unit."""
    try:
        value = float(number) * unit
    except OverflowError:
        return LONGEST if number > 0 else None
    if math.isnan(value) or value < 0:
        return None
    if value < _EPOCH:
        return _bounded(value)
    for _ in range(3):  # milliseconds, microseconds, nanoseconds
        if value > _SECONDS_UNTIL:
            value /= 1000.0
    return _bounded(value - now)


def _protobuf(value: Mapping[str, Any]) -> float | None:
    """Return the seconds in ``{"seconds": 3, "nanos": 500000000}``."""
    if "seconds" not in value and "nanos" not in value:
        return None
    seconds = seconds_until(value.get("seconds", 0), 0.0)
    nanos = seconds_until(value.get("nanos", 0), 0.0, unit=1e-9)
    return None if seconds is None or nanos is None else _bounded(seconds + nanos)


def _moment(text: str, now: float, zone: tzinfo | None) -> float | None:
    """Return an absolute time in seconds since 1970."""
    match = _FULL_MOMENT.fullmatch(text)
    if match is None:
        match = _TIME_OF_DAY.fullmatch(text)
        if match is not None:
            return _next(match["clock"], zone_of(match["zone"]), now)
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=zone or UTC)).timestamp()
        except (ValueError, OverflowError):
            return http_date(text)
    where = zone_of(match["zone"]) if match["zone"] else zone
    if where is None:
        return None
    clock, date = _clock(match["clock"] or "0"), _date(match["date"], now, where)
    if clock is None or date is None:
        return None
    try:
        return datetime(*date, tzinfo=where).timestamp() + clock
    except (ValueError, OverflowError):
        return None


def _next(clock: str, zone: tzinfo | None, now: float) -> float | None:
    """Return the next occurrence of a time of day, in seconds since 1970."""
    seconds = _clock(clock)
    if zone is None or seconds is None:
        return None
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    moment = today.timestamp() + seconds
    return moment if moment > now else moment + 86400.0


def _clock(text: str) -> float | None:
    """Return the seconds from midnight to a time of day."""
    text = text.lower().replace(".m", "m")
    half = re.search(r"([ap])\.?m\.?$", text)
    digits = text[: half.start()].strip() if half else text
    parts = [float(part) for part in digits.split(":")]
    hour = parts[0]
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[1] == "p" else 0)
    if hour > 24 or any(part >= 60 for part in parts[1:]):
        return None
    return hour * 3600 + sum(
        part * unit for part, unit in zip(parts[1:], (60.0, 1.0), strict=False)
    )


def _date(text: str, now: float, zone: tzinfo) -> tuple[int, int, int] | None:
    """Return year, month and day; without a year in the text, those of the next such day."""
    if text[:4].isdigit():
        year, month, day = (int(part) for part in re.split("[-/]", text))
        return year, month, day
    words = re.findall(r"\d+|[A-Za-z]{3,}", text)
    name = next(word for word in words if word.isalpha())
    numbers = [int(word) for word in words if word.isdigit()]
    found = _MONTHS.get(name[:3].lower())
    if found is None:
        return None
    if len(numbers) > 1:
        return numbers[-1], found, numbers[0]
    today = datetime.fromtimestamp(now, zone)
    is_over = (found, numbers[0]) < (today.month, today.day)
    return today.year + is_over, found, numbers[0]
