"""Rows of the ledger, made from the records of exchanges.  No content, no credentials."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from antigravity.ir.printable import shorten
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.ledger.client_name import client_name

#: Longer names are cut, in characters.
NAME_LIMIT: Final = 200
#: Longer messages of errors and lists of warnings are shortened, in characters.
TEXT_LIMIT: Final = 1000
#: The low bits of a row's number; the high ones are the time in microseconds.
_NUMBER_BITS: Final = 10
#: Microseconds that numbers may be ahead of the clock; beyond, a clock that was wrong was set back.
_LONGEST_LEAD: Final = 3600 * 1_000_000

_NO_USAGE: Final = Usage()
#: No request has more tokens.
_MOST: Final = 10**12


class Cost(Struct, frozen=True, gc=False):
    """What one request cost, in billionths of a US dollar (nanodollars).

    ``list_cost`` is the price without an account's flat rate.  Both are ``None`` where the price
    of the model is unknown.  ``version`` names the price list and the formula.
    """

    cost: int | None = None
    list_cost: int | None = None
    version: str = ""


#: Returns the cost of a finished exchange.
Pricer = Callable[[ExchangeRecord], Cost]


class RequestRow(Struct, gc=False):
    """One finished request.  The fields are the columns of the table ``requests``.

    ``number`` orders the rows by their end.  Times and durations are in microseconds; ``started``
    is since the epoch, ``first_byte`` since the start.  ``key`` is the opaque name of the client's
    API key.  ``model`` is the name that the client used, ``served_model`` the one that was sent to
    the upstream.  ``input``, ``cached``, ``cache_write``, ``cache_write_1h``, ``output`` and
    ``reasoning`` are counts of tokens that add up to the total; ``image_input``, ``image_output``,
    ``audio_input``, ``audio_output`` and ``tool_input`` are parts of them.  ``cost`` and
    ``list_cost`` are in nanodollars, ``None`` if the price is unknown.  A new field needs a
    default, because rows of an older version may wait in a spool.
    """

    number: int
    id: str
    started: int
    protocol: str
    operation: str
    stream: int
    client: str
    key: str
    session: str | None
    model: str
    served_model: str
    upstream: str
    account: str
    outcome: str
    status: int | None
    error_kind: str | None
    error: str | None
    attempts: int
    first_byte: int | None
    duration: int
    overhead: int
    queue: int
    input: int
    cached: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int
    tool_input: int
    image_input: int
    image_output: int
    audio_input: int
    audio_output: int
    searches: int
    cost: int | None
    list_cost: int | None
    price_version: str
    compressed: str | None
    intercepted: str | None
    route: str | None
    warnings: str | None


class AttemptRow(Struct, gc=False):
    """One attempt of a request.  The fields are the columns of the table ``attempts``.

    ``started`` and ``ended`` are in microseconds since the start of the request.
    """

    request: int
    position: int
    upstream: str
    model: str
    account: str
    protocol: str
    passed_through: int
    status: int | None
    error: str | None
    started: int
    ended: int | None


class RowNumbers:
    """Numbers of rows: increasing, ordered by time, different for every ``node`` below 1,024."""

    def __init__(self, node: int = 0) -> None:
        self._node = node
        self._last = 0

    @classmethod
    def of_any_node(cls) -> RowNumbers:
        """Return the numbers of a node that is chosen by chance."""
        return cls(secrets.randbelow(1 << _NUMBER_BITS))

    def follow(self, number: int) -> None:
        """Let further numbers be larger than ``number``, unless it is far ahead of the clock."""
        self._last = max(self._last, time_of(number))

    def next(self, microseconds: int) -> int:
        """Return the number of a row that ended at a time since the epoch.

        It is larger than all numbers before, also when the clock has gone back, by up to an hour.
        After a larger step numbers follow the clock again: rows with a number of the far future
        would be in no time range, and would never be old.
        """
        if self._last - microseconds > _LONGEST_LEAD:
            self._last = 0
        self._last = max(self._last + 1, microseconds)
        return self._last << _NUMBER_BITS | self._node

    @staticmethod
    def after(number: int, key: tuple[str, int]) -> int:
        """Return another number of the same node, of a time within a millisecond.

        It is always the same for a row, whose id and start are given, so that a row is found again
        that was stored under it.
        """
        chance = zlib.crc32(repr((number, *key)).encode())
        return number + (1 + chance % 1000 << _NUMBER_BITS)


def number_at(microseconds: int) -> int:
    """Return the lowest number of a row that ended at a time since the epoch."""
    return microseconds << _NUMBER_BITS


def time_of(number: int) -> int:
    """Return when a row ended, in microseconds since the epoch."""
    return number >> _NUMBER_BITS


def request_row(record: ExchangeRecord, number: int, price: Pricer) -> RequestRow:
    """Return the row of a finished exchange."""
    usage = record.usage or _NO_USAGE
    times, session = record.times, record.session
    last = record.attempts[-1] if record.attempts else None
    cost = price(record)
    kind, text = _error(record.error)
    # In the order of the fields: names take twice as long.
    return RequestRow(
        number,
        record.id,
        micros(record.started),
        record.protocol,
        record.operation,
        int(record.stream),
        client_name(record.client),
        record.principal,
        _name(session) if session else None,
        _name(record.model),
        _name(record.mapped_model),
        last.upstream if last else "",
        last.credential if last else "",
        record.outcome,
        record.status,
        kind,
        text,
        len(record.attempts),
        None if record.first_byte is None else micros(record.first_byte),
        micros(record.duration or 0.0),
        micros(times.overhead),
        micros(times.queue),
        _count(usage.input_uncached),
        _count(usage.cached),
        _count(usage.cache_write - usage.cache_write_1h),
        _count(usage.cache_write_1h),
        _count(usage.output_visible),
        _count(usage.reasoning),
        _count(usage.tool_input),
        _count(usage.image_input),
        _count(usage.image_output),
        _count(usage.audio_input),
        _count(usage.audio_output),
        _count(usage.searches),
        cost.cost,
        cost.list_cost,
        cost.version,
        record.compressed,
        record.intercepted,
        _text("\n".join(record.route)) if record.route else None,
        _text("\n".join(map(str, record.warnings))) if record.warnings else None,
    )


def attempt_rows(record: ExchangeRecord, number: int) -> list[AttemptRow]:
    """Return the rows of the attempts of a finished exchange."""
    return [
        _attempt_row(attempt, number, position) for position, attempt in enumerate(record.attempts)
    ]


def _attempt_row(attempt: AttemptRecord, number: int, position: int) -> AttemptRow:
    return AttemptRow(
        number,
        position,
        attempt.upstream,
        _name(attempt.model),
        attempt.credential,
        attempt.protocol,
        int(attempt.passed_through),
        attempt.status,
        _text(attempt.error) if attempt.error else None,
        micros(attempt.started),
        None if attempt.ended is None else micros(attempt.ended),
    )


def _error(error: str | None) -> tuple[str | None, str | None]:
    """Return the kind and the text of ``KIND: TEXT``."""
    if error is None:
        return None, None
    kind, _, text = error.partition(": ")
    return _name(kind), _text(text)


def _name(name: str) -> str:
    """Return a name that a client may have chosen, cut."""
    return _storable(name[:NAME_LIMIT])


def _text(text: str | None) -> str | None:
    """Return a text that a client or an upstream may have written, cut; ``None`` for none."""
    if not text:
        return None
    return _storable(shorten(text)[:TEXT_LIMIT])


def _storable(text: str) -> str:
    """Replace what a database cannot hold: lone surrogates, and characters of code 0."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _count(tokens: int) -> int:
    """Return a number that an upstream may have invented, within what databases add up."""
    return tokens if 0 <= tokens <= _MOST else min(max(0, tokens), _MOST)


def micros(seconds: float) -> int:
    """Return a time or a duration in microseconds."""
    return round(seconds * 1_000_000)
