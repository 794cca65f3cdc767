"""A table that gateways share.  Each has all of it in memory, so that reading costs nothing.

A change is published, and stored in one value for each part of the table.  A gateway reads these
when it starts, when the state can be reached again, and once in a while: messages can be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IDelayedCall

from antigravity.interfaces.state import KEY_LIMIT, LONGEST_TTL, StateError
from antigravity.logs import make_logger

#: Seconds between two looks at what is stored, and until the first one after the state was reached:
#: some gateways may have been connected before others could listen.
REFRESH_INTERVAL: Final = 60.0
_FIRST_REFRESH: Final = 1.0
#: Seconds for which a removed row is remembered, so that an older version does not come back.
_REMOVED: Final = 600.0
#: How far the clock of another machine may be ahead, in seconds.
_AHEAD: Final = 86_400.0
#: Attempts to store a part that others change at the same time.
_TRIES: Final = 10
#: The most parts that are kept although this gateway does not want to know them any more.
_UNWANTED: Final = 1000
#: Parts that are read at once, and rows of one message.
_PARTS: Final = 256
_ROWS: Final = 200


class TableRow(Struct, frozen=True, array_like=True):
    """A row of a part; times are in seconds since the epoch.

    Of two versions of a row the one that was made later stays, in all gateways; of two that were
    made at the same time, the one whose ``origin`` is larger.  An empty ``value`` stands for a row
    that was removed.
    """

    key: str
    made: float
    origin: str
    expires: float
    value: bytes

    @property
    def version(self) -> tuple[float, str]:
        """What the versions of a row are compared by."""
        return self.made, self.origin


_Message = tuple[str, list[TableRow]]
_PART_DECODER: Final = msgspec.msgpack.Decoder(list[TableRow])
_MESSAGE_DECODER: Final = msgspec.msgpack.Decoder(_Message)
_encode: Final = msgspec.msgpack.encode


class SharedTable:
    """The table ``name`` in the state that gateways share; without one it does nothing.

    :param state: provides :class:`ISharedState`.
    :param parts: returns the names of all parts that this gateway wants to know.
    :param changed: called with the part and the row that another gateway has changed.
    :param wall: returns seconds since the epoch.
    :param max_rows: the most rows of a part; the oldest ones make room for others.
    """

    log = make_logger()

    def __init__(
        self,
        state: Any,
        reactor: Any,
        name: str,
        parts: Callable[[], Iterable[str]],
        changed: Callable[[str, TableRow], None],
        *,
        wall: Callable[[], float] = time.time,
        max_rows: int = 500,
    ) -> None:
        self._state = state
        self._reactor = reactor
        self._name = name
        self._parts = parts
        self._changed = changed
        self._wall = wall
        self._max_rows = max_rows
        self._rows: dict[str, dict[str, TableRow]] = {}
        #: Rows that the others have not been told of.
        self._pending: dict[tuple[str, str], TableRow] = {}
        self._timer: IDelayedCall | None = None
        self._refresh_timer: IDelayedCall | None = None
        self._working: Deferred[None] | None = None
        self._unwatch: Callable[[], None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._is_subscribing = False
        self._is_running = False
        self._pause = _FIRST_REFRESH

    @inlineCallbacks
    def start(self) -> Any:
        """Return a Deferred that fires when the table was read, or cannot be."""
        self._is_running = True
        self._unwatch = self._state.watch(self._connected)
        if self._state.is_shared:
            yield self._join()

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when the others were told of all changes."""
        self._is_running = False
        for timer in (self._timer, self._refresh_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._refresh_timer = None
        for end in (self._unwatch, self._unsubscribe):
            if end is not None:
                end()
        self._unwatch = self._unsubscribe = None
        if self._working is not None:
            yield self._working
        if self._pending:
            yield self._work()

    # Rows

    def get(self, part: str, key: str) -> TableRow | None:
        """Return a row, ``None`` if there is none; one that was removed has no value."""
        row = self._rows.get(part, {}).get(key)
        return None if row is None or row.expires <= self._wall() else row

    def keys(self, part: str) -> list[str]:
        """Return the keys of the rows of a part that were not removed."""
        now = self._wall()
        rows = self._rows.get(part, {})
        return [key for key, row in rows.items() if row.value and row.expires > now]

    def set(self, part: str, key: str, value: bytes, ttl: float) -> None:
        """Set a row for ``ttl`` seconds, and tell the others soon."""
        if not self._state.is_shared or len(part) + len(self._name) >= KEY_LIMIT or ttl <= 0:
            return
        now = self._wall()
        known = self._rows.get(part, {}).get(key)
        expires = now + min(ttl, LONGEST_TTL)
        if known is not None:
            if known.value == value and abs(known.expires - expires) < 1.0:
                return
            now = max(now, known.made + 0.001)  # clocks of other machines may be ahead
        row = TableRow(key, now, self._state.identity, expires, value)
        self._put(part, row)
        if not self._state.is_lost:
            self._tell(part, row)

    def remove(self, part: str, key: str) -> None:
        """Remove a row, and tell the others soon."""
        self.set(part, key, b"", _REMOVED)

    # What others know

    @inlineCallbacks
    def refresh(self) -> Any:
        """Read what is stored, and store what is newer here.

        The Deferred fires when all parts were read, or the state cannot be reached.
        """
        if not self._state.is_shared or not self._is_running:
            return
        wanted = dict.fromkeys(self._parts())
        self._prune(wanted)
        parts = [*wanted, *(part for part in self._rows if part not in wanted)]
        for start in range(0, len(parts), _PARTS):
            some = parts[start : start + _PARTS]
            try:
                values = yield self._state.get_many([self._key(part) for part in some])
            except StateError:
                return
            for part, value in zip(some, values, strict=True):
                stored = self._learn(part, value)
                for row in self._rows.get(part, {}).values():
                    if stored.get(row.key) != row:
                        self._tell(part, row)

    def _connected(self) -> None:
        """Begin to listen, and learn what was missed."""
        self._pause = _FIRST_REFRESH
        self._look()

    def _look(self) -> None:
        self._join().addErrback(self._report)

    @inlineCallbacks
    def _join(self) -> Any:
        if self._unsubscribe is None and not self._is_subscribing:
            self._is_subscribing = True
            end = yield self._state.subscribe(f"table/{self._name}", self._received)
            self._is_subscribing = False
            if self._is_running:
                self._unsubscribe = end
            else:
                end()
        yield self.refresh()
        self._refresh_later()

    def _refresh_later(self) -> None:
        timer, self._refresh_timer = self._refresh_timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._is_running and self._state.is_shared:
            self._refresh_timer = self._reactor.callLater(self._pause, self._look)
            self._pause = min(2 * self._pause, REFRESH_INTERVAL)

    def _received(self, message: bytes) -> None:
        try:
            part, rows = _MESSAGE_DECODER.decode(message)
        except msgspec.DecodeError:
            return  # of another version
        if part in self._parts():
            for row in rows:
                self._take(part, row)

    def _learn(self, part: str, value: bytes | None) -> dict[str, TableRow]:
        """Take what is stored of a part, and return it."""
        if value is None:
            return {}
        try:
            rows = _PART_DECODER.decode(value)
        except msgspec.DecodeError:
            return {}  # of another version
        for row in rows:
            self._take(part, row)
        return {row.key: row for row in rows}

    def _take(self, part: str, row: TableRow) -> None:
        """Use a row of another gateway, if it is newer than what is known."""
        now, known = self._wall(), self._rows.get(part, {}).get(row.key)
        # One with a wrong time would win against all others, and could not be stored.
        if not (row.made <= now + _AHEAD and now < row.expires <= now + _AHEAD + LONGEST_TTL):
            return
        if known is not None and known.version >= row.version:
            return
        self._put(part, row)
        self._pending.pop((part, row.key), None)
        try:
            self._changed(part, row)
        except Exception:  # noqa: BLE001 - the other rows must be used
            self.log.failure("a row of {table} cannot be used", table=self._name)

    # Telling others

    def _tell(self, part: str, row: TableRow) -> None:
        self._pending[part, row.key] = row
        if self._timer is None and self._working is None and self._is_running:
            self._timer = self._reactor.callLater(0, self._begin)

    def _begin(self) -> None:
        self._timer = None
        working = self._work()
        if not working.called:
            self._working = working

    @inlineCallbacks
    def _work(self) -> Any:
        """Publish and store all changes."""
        try:
            while self._pending:
                pending, self._pending = self._pending, {}
                changes: dict[str, list[TableRow]] = {}
                for (part, _), row in pending.items():
                    changes.setdefault(part, []).append(row)
                for part, rows in changes.items():
                    # First: a gateway that starts between the two finds what is stored.
                    yield from self._store(part)
                    yield from self._publish(part, rows)
        except StateError:
            self._pending.clear()  # they are stored when the state is back
        except Exception:  # noqa: BLE001 - whoever made the change has gone on
            self.log.failure("{table} cannot be shared", table=self._name)
        finally:
            self._working = None

    def _publish(self, part: str, rows: Sequence[TableRow]) -> Any:
        for start in range(0, len(rows), _ROWS):
            message = _encode((part, rows[start : start + _ROWS]))
            yield self._state.publish(f"table/{self._name}", message)

    def _store(self, part: str) -> Any:
        """Store a part, with what others have stored meanwhile."""
        key = self._key(part)
        for _ in range(_TRIES):
            stored = yield self._state.get(key)
            self._learn(part, stored)
            now = self._wall()
            rows = sorted(
                (row for row in self._rows.get(part, {}).values() if row.expires > now),
                key=lambda row: row.key,
            )
            value = _encode(rows)
            if not rows or value == stored:
                return
            ttl = min(max(row.expires for row in rows) - now, LONGEST_TTL)
            if (yield self._state.replace(key, stored, value, ttl)):
                return

    # Internals

    def _key(self, part: str) -> str:
        return f"{self._name}/{part}"

    def _put(self, part: str, row: TableRow) -> None:
        rows = self._rows.setdefault(part, {})
        rows[row.key] = row
        if len(rows) > self._max_rows:
            del rows[min(rows.values(), key=lambda each: each.version).key]

    def _prune(self, wanted: Collection[str]) -> None:
        """Forget rows that have expired, and parts that nobody wants any more if there are many.

        What this gateway has changed in a part must be stored, even if it has no use for it now.
        """
        now, rows = self._wall(), self._rows
        many = len(rows) > len(wanted) + _UNWANTED
        self._rows = {
            part: left
            for part in rows
            if (part in wanted or not many)
            and (left := {key: row for key, row in rows[part].items() if row.expires > now})
        }

    def _report(self, failure: Any) -> None:
        self.log.failure("{table} cannot be read", failure=failure, table=self._name)
