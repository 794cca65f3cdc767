"""Finds the kind of limit in an upstream's error, and when it ends.

The patterns are in ``rate_limits.toml`` beside this module.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from antigravity.protocols.limit import Limit
from antigravity.protocols.reset_times import (
    MACROS,
    http_date,
    next_midnight,
    seconds_until,
    zone_of,
)

#: A shorter delay in a header of a billing error was added by a proxy and has no meaning.
_SHORTEST_BILLING_DELAY: Final = 600.0
#: Limits on objects of a body, members of each, and characters of each text.
_MAX_OBJECTS: Final = 200
_MAX_MEMBERS: Final = 100
_MAX_TEXT: Final = 4000
_MAX_JSON: Final = 65_536
_CODES: Final = frozenset(
    {"code", "type", "status", "reason", "errortype", "errorcode", "statuscode", "limitsource"}
)
_TEXTS: Final = frozenset({"message", "detail", "error", "statusmsg", "msg", "title", "raw"})
_QUOTAS: Final = frozenset({"quotaid", "quotalimit", "quotaunit"})


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One place where the end of a limit can be; the data file describes the fields."""

    member: str = ""
    header: str = ""
    text: str = ""
    quota: str = ""
    pattern: bool = False
    unit: Literal["s", "ms"] = "s"
    zone: str = "UTC"
    fallback: str = ""
    codes: tuple[str, ...] = ()
    limited: bool = False
    remaining: str = ""
    used: str = ""
    status: str = ""
    value: str = ""
    uncertain: Literal["", "unknown", "all"] = ""


class LimitPatterns(Struct, frozen=True, forbid_unknown_fields=True):
    """Codes (in lower case) and regular expressions that show one kind of limit.

    A match of ``unless`` means another kind, whatever the code.
    """

    codes: frozenset[str]
    patterns: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def match(self, body: _Body) -> bool:
        """Return whether a code or a text of a body matches."""
        return self.match_code(body) or self.match_text(body)

    def match_code(self, body: _Body) -> bool:
        """Return whether a body has one of the codes, and no text matches ``unless``."""
        return not self.codes.isdisjoint(body.codes) and not _found(self.unless, body)

    def match_text(self, body: _Body) -> bool:
        """Return whether a text of the body matches, and none matches ``unless``."""
        return _found(self.patterns, body) and not _found(self.unless, body)


class LimitTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the data file."""

    source: tuple[Source, ...]
    quota: LimitPatterns
    billing: LimitPatterns


def parse_table(text: str) -> LimitTable:
    """Return the table in a TOML text with the format of the data file.

    :raises msgspec.ValidationError: if the format is invalid.
    """
    return msgspec.convert(tomllib.loads(text), LimitTable)


@cache
def default_table() -> LimitTable:
    """Return the table that comes with the gateway."""
    path = files("antigravity.protocols").joinpath("rate_limits.toml")
    return parse_table(path.read_text("utf-8"))


def read_limit(
    status: int | None,
    headers: Mapping[str, str],
    body: Any,
    *,
    table: LimitTable | None = None,
    clock: float | None = None,
) -> Limit:
    """Return the limit that an error reports.

    :param status: of the response; ``None`` for errors inside streams.
    :param headers: with names in lower case.
    :param body: the decoded JSON body, or a text.
    :param clock: seconds since 1970; by default the ``Date`` header, or the local clock.
    """
    known = table or default_table()
    found = _Body(body)
    now = clock
    if now is None:
        now = http_date(headers.get("date", ""))
    if now is None:
        now = time.time()
    all_headers = {**{name.lower(): value for name, value in found.headers.items()}, **headers}
    by_code = known.billing.match_code(found)
    is_quota = known.quota.match(found)
    reader = _Reader(found, all_headers, now, limited=status == 429 or by_code or is_quota)
    delay, origin = reader.delay(known.source)
    in_header = origin is None or bool(origin.header)
    if by_code or (known.billing.match_text(found) and (not delay or in_header)):
        if delay and not in_header and status != 429:
            return Limit("billing", delay)
        if delay and in_header and delay < _SHORTEST_BILLING_DELAY:
            delay = None
        return Limit("billing", delay or None)
    by_calendar = origin is not None and bool(origin.quota)
    return Limit("quota" if is_quota or by_calendar else "", delay)


class _Body:
    """The objects, codes, texts, names of quotas, and headers in an error's body."""

    def __init__(self, body: Any) -> None:
        self.objects: list[dict[str, Any]] = []
        self.codes: set[str] = set()
        self.texts: list[str] = []
        self.quotas: list[str] = []
        self.headers: dict[str, str] = {}
        for each in _objects(body):
            self._collect(each)
        if isinstance(body, str):
            self.texts.append(body[:_MAX_TEXT])

    def _collect(self, fields: Mapping[str, Any]) -> None:
        plain = {_plain(name): value for name, value in list(fields.items())[:_MAX_MEMBERS]}
        self.objects.append(plain)
        for name, value in plain.items():
            if name == "headers" and isinstance(value, dict):
                self.headers |= {str(key): _field_value(each) for key, each in value.items()}
            if isinstance(value, bool) or not isinstance(value, str | int):
                continue
            if name in _CODES:
                self.codes.add(str(value)[:100].lower())
            elif name in _QUOTAS:
                self.quotas.append(str(value)[:200])
            if name in _TEXTS:
                self.texts.append(str(value)[:_MAX_TEXT])


class _Reader:
    """Finds the end of a limit in one error."""

    def __init__(
        self, body: _Body, headers: Mapping[str, str], now: float, *, limited: bool
    ) -> None:
        self._body = body
        self._headers = headers
        self._now = now
        self._limited = limited

    def delay(self, sources: Iterable[Source]) -> tuple[float | None, Source | None]:
        """Return the first delay above zero, and its source."""
        nothing: float | None = None
        for source in sources:
            if source.limited and not self._limited:
                continue
            if source.codes and self._body.codes.isdisjoint(source.codes):
                continue
            found = self._find(source)
            if found:
                return found, source
            nothing = found if nothing is None else nothing
        return nothing, None

    def _find(self, source: Source) -> float | None:
        if source.member:
            return self._in_members(source)
        if source.header:
            return self._in_headers(source)
        if source.quota:
            pattern = _compiled(source.quota)
            reached = any(pattern.search(name) for name in self._body.quotas)
            return self._midnight(source) if reached else None
        return self._in_texts(source)

    def _read(self, value: Any, source: Source) -> float | None:
        unit = 0.001 if source.unit == "ms" else 1.0
        return seconds_until(value, self._now, unit=unit, zone=zone_of(source.zone))

    def _in_members(self, source: Source) -> float | None:
        name = _plain(source.member)
        values = (each[name] for each in self._body.objects if name in each)
        return _latest(self._read(value, source) for value in values)

    def _in_texts(self, source: Source) -> float | None:
        pattern = _compiled(source.text)
        for text in self._body.texts:
            match = pattern.search(text)
            if match is None:
                continue
            if "time" not in pattern.groupindex:
                return self._midnight(source)
            found = self._read(match["time"].strip(" ,"), source)
            if found is not None:
                return found
        return None

    def _midnight(self, source: Source) -> float | None:
        zone = zone_of(source.zone) or zone_of(source.fallback)
        return None if zone is None else next_midnight(self._now, zone)

    def _in_headers(self, source: Source) -> float | None:
        """Return the latest end of the limits that were reached."""
        reached: list[float | None] = []
        others: list[float | None] = []
        for name, limit in self._named(source):
            delay = self._in_value(self._headers[name], source)
            state = self._is_reached(source, limit)
            if state or not (source.remaining or source.used or source.status):
                reached.append(delay)
            elif source.uncertain == "all" or (source.uncertain == "unknown" and state is None):
                others.append(delay)
        found = _latest(reached)
        return _latest(others) if found is None else found

    def _in_value(self, value: str, source: Source) -> float | None:
        """Return the delay in a header's value; of several, such as ``30, 45``, the latest."""
        if source.value:
            found = _compiled(source.value).finditer(value[:_MAX_TEXT])
            return _latest(self._read(match["time"], source) for match in found)
        delay = self._read(value, source)
        if delay is None and "," in value:
            parts = value[:_MAX_TEXT].split(",")[:_MAX_MEMBERS]
            return _latest(self._read(part, source) for part in parts)
        return delay

    def _named(self, source: Source) -> Iterator[tuple[str, str]]:
        """Yield the headers that a source matches, each with its limit's name."""
        if not source.pattern:
            if source.header in self._headers:
                yield source.header, ""
            return
        pattern = _compiled(source.header)
        for name in list(self._headers)[:_MAX_MEMBERS]:
            match = pattern.fullmatch(name)
            if match is not None:
                yield name, match["limit"]

    def _is_reached(self, source: Source, limit: str) -> bool | None:
        """Return whether a limit was reached, ``None`` if no header says so."""

        def header_for(name: str) -> str | None:
            return self._headers.get(name.format(limit=limit)) if name else None

        status, remaining, used = map(header_for, (source.status, source.remaining, source.used))
        if status is not None:
            return not status.startswith("allowed")
        try:
            if remaining is not None:
                return float(remaining) <= 0
            if used is not None:
                return float(used) >= 100
        except ValueError:
            pass
        return None


def _found(patterns: Iterable[str], body: _Body) -> bool:
    return any(_compiled(pattern).search(text) for text in body.texts for pattern in patterns)


def _field_value(value: Any) -> str:
    """Return the value of a header in a body, where it can be a list."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _latest(delays: Iterable[float | None]) -> float | None:
    return max((delay for delay in delays if delay is not None), default=None)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for name, expression in MACROS.items():
        pattern = pattern.replace(name, expression)
    return re.compile(pattern)


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a body, the outermost first, also those in texts with JSON."""
    waiting = [body]
    for _ in range(_MAX_OBJECTS):
        if not waiting:
            return
        value = waiting.pop(0)
        if isinstance(value, dict):
            yield value
            inner = list(value.values())[:_MAX_MEMBERS]
        else:
            inner = value[:_MAX_MEMBERS] if isinstance(value, list) else [value]
        for each in inner:
            if isinstance(each, str):
                each = _json_in(each)
            if isinstance(each, dict | list):
                waiting.append(each)


def _json_in(text: str) -> Any:
    """Return the JSON object at the end of a text, where gateways quote an upstream's error."""
    start = text.find("{", 0, 500)
    end = text.rfind("}")
    if start < 0 or end < start or end - start > _MAX_JSON:
        return None
    try:
        return msgspec.json.decode(text[start : end + 1].encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
