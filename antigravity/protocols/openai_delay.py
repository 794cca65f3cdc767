"""Finds out when a retry makes sense, from wherever an upstream put it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_IN_TEXT: Final = re.compile(
    r"(?:try again in|retry in|retry after|reset after|resets? in)\s+"
    r"(?P<time>[\d.]+\s*[a-z]+(?:[\d.]+[a-z]+)*)",
    re.IGNORECASE,
)
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def delay_from_headers(headers: Mapping[str, str], *, limited: bool) -> float | None:
    """Return the seconds that headers say.

    With ``limited`` those of rate limits are read, which every answer carries and which
    mean something only where a limit was reached.
    """
    if not limited:
        milliseconds = _number(headers.get("retry-after-ms", ""))
        if milliseconds is not None:
            return milliseconds / 1000
        return _seconds_or_date(headers.get("retry-after", ""), _now(headers))
    return _limit(headers)


def delay_from_body(message: str, details: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the seconds in Google's details, or else in the text of an error."""
    for detail in details:
        metadata = detail.get("metadata")
        if isinstance(metadata, dict):
            delay = _duration(metadata.get("quotaResetDelay"))
            if delay is not None:
                return delay
    for detail in details:
        delay = _duration(detail.get("retryDelay"))
        if delay is not None:
            return delay
    match = _IN_TEXT.search(message)
    return _duration(_abbreviated(match["time"])) if match is not None else None


def _abbreviated(text: str) -> str:
    """Return ``20 seconds`` as ``20s``."""
    number, unit = re.match(r"([\d.]+)\s*(.*)", text).groups()  # type: ignore[union-attr]
    for word in ("millisecond", "second", "minute", "hour", "day"):
        if unit.lower().rstrip("s") == word:
            return number + ("ms" if word == "millisecond" else word[0])
    return f"{number}{unit.lower()}"


def _limit(headers: Mapping[str, str]) -> float | None:
    """Return when the limit that was reached is over, or all of them where none says so."""
    reached: list[float] = []
    known: list[float] = []
    for name in _LIMITS:
        delay = _duration(headers.get(f"x-ratelimit-reset-{name}"))
        if delay is None:
            continue
        known.append(delay)
        if headers.get(f"x-ratelimit-remaining-{name}", "").strip() == "0":
            reached.append(delay)
    if reached or known:
        return max(reached or known)
    for name in ("x-ratelimit-reset-after", "x-ratelimit-reset"):
        delay = _moment(headers.get(name, ""), _now(headers))
        if delay is not None:
            return delay
    return None


def _moment(text: str, now: float) -> float | None:
    """Return the seconds until ``text``: a duration, or a time since the epoch (or in ms)."""
    number = _number(text)
    if number is None:
        return _duration(text)
    if number > 1e12:
        number /= 1000
    return max(0.0, number - now) if number > 1e9 else number


def _seconds_or_date(text: str, now: float) -> float | None:
    number = _number(text)
    if number is not None or not text:
        return number
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return _duration(text)
    return max(0.0, _timestamp(moment) - now)


def _timestamp(moment: datetime) -> float:
    """Return seconds since the epoch; a date without a zone is in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _now(headers: Mapping[str, str]) -> float:
    """Return the time by the upstream's clock if it told, for its dates are by that."""
    try:
        return _timestamp(parsedate_to_datetime(headers.get("date", "")))
    except (ValueError, OverflowError):
        return time.time()


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text) else None


def _duration(value: Any) -> float | None:
    """Return the seconds in ``6m0s``, ``39.5s``, ``20ms``, or ``{seconds, nanos}``."""
    if isinstance(value, dict):
        seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
        number = _number(str(seconds))
        return None if number is None else number + (_number(str(nanos)) or 0.0) / 1e9
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    return _number(text)
