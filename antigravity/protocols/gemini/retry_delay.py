"""When a retry makes sense: Google says it in a dozen ways."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

_UNIT: Final = r"(?:ms|[dhms])"
_DURATION: Final = re.compile(rf"(?:\d+(?:\.\d+)?{_UNIT})+")
_STEP: Final = re.compile(rf"(\d+(?:\.\d+)?)({_UNIT})")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?")
_TEXT: Final = re.compile(
    rf"(?:reset after|retry in|try again in)\s+((?:\d+(?:\.\d+)?\s*{_UNIT}\s*)+)", re.IGNORECASE
)
_HEADERS: Final = ("x-ratelimit-reset-after", "x-ratelimit-reset")
#: A number larger than this is a time of day, not a delay.
_EPOCH: Final = 1_000_000_000
_LONGEST: Final = 31 * 86400.0


def retry_delay(details: Iterable[Any], headers: Mapping[str, str], message: str) -> float | None:
    """Return the seconds until a retry makes sense, or ``None`` if nobody says.

    Details count before headers, and these before the message.
    """
    now = _now(headers)
    objects = [detail for detail in details if isinstance(detail, dict)]
    for found in _candidates(objects, headers, message, now):
        if found is not None:
            return min(max(0.0, found), _LONGEST)
    return None


def _candidates(
    details: list[dict[str, Any]], headers: Mapping[str, str], message: str, now: float
) -> Iterator[float | None]:
    """Yield the delays that are given, best first."""
    metadata = [found for d in details if isinstance(found := d.get("metadata"), dict)]
    yield from (duration(each.get("quotaResetDelay")) for each in metadata)
    yield from (duration(each.get("retryDelay")) for each in details)
    yield from (_until(each.get("quotaResetTimeStamp"), now) for each in metadata)
    yield _header(headers.get("retry-after"), now)
    yield from (_header(headers.get(name), now) for name in _HEADERS)
    match = _TEXT.search(message)
    if match is not None:
        yield duration(re.sub(r"\s", "", match[1]))


def duration(value: Any) -> float | None:
    """Return a duration in seconds: ``39.5s``, ``1h2m``, a number, or seconds and nanos."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if _PLAIN.fullmatch(text):
            return float(text)
        if _DURATION.fullmatch(text):
            return sum(float(n) * _SECONDS[unit] for n, unit in _STEP.findall(text))
    if isinstance(value, dict):
        seconds = duration(value.get("seconds", 0))
        nanos = duration(value.get("nanos", 0))
        return None if seconds is None or nanos is None else seconds + nanos / 1e9
    return None


def _now(headers: Mapping[str, str]) -> float:
    """Return the time by the upstream's clock, which its own times are told by."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


def _until(value: Any, now: float) -> float | None:
    """Return the seconds until a time that is written as ISO 8601."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - now


def _header(value: str | None, now: float) -> float | None:
    """Return the delay in a header: seconds, a duration, or a time."""
    if value is None:
        return None
    found = duration(value)
    if found is not None:
        return found - now if found > _EPOCH else found
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError):
        return _until(value, now)
