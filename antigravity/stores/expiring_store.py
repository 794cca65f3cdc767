"""A store of expiring entries in an SQLite file, written in batches outside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.logs import make_logger
from antigravity.stores.sqlite_file import SqliteFile, StoreFileError

#: Expired entries are removed from the disk within this many seconds.
SWEEP: Final = 60.0


@implementer(IExpiringStore)
class ExpiringStore:
    """Stores entries in a :class:`SqliteFile`.

    Changes that cannot be written are lost; the first failure is logged.

    :param run: calls a function, possibly in a thread, and returns a Deferred with its result.
    :param delay: the seconds after the first change until all changes are written.
    """

    log = make_logger()

    def __init__(
        self,
        file: SqliteFile,
        clock: IReactorTime,
        now: Callable[[], float],
        *,
        run: Callable[..., Deferred[Any]] = maybeDeferred,
        delay: float = 1.0,
    ) -> None:
        self._file = file
        self._clock = clock
        self._now = now
        self._run = run
        self._delay = delay
        self._changes: dict[str, Entry | None] = {}
        self._lock = DeferredLock()
        self._save_timer: IDelayedCall | None = None
        self._sweep_timer: IDelayedCall | None = None
        self._open = True
        self._last_write_succeeded = True

    @inlineCallbacks
    def load(self) -> Any:
        """Return a Deferred that fires with all entries, oldest first."""
        try:
            entries = yield self._lock.run(self._run, self._file.read)
        except StoreFileError as error:
            self.log.error("{error}", error=str(error))
            return []
        if entries:
            self._schedule_sweep(min(entry.expires for entry in entries))
        return entries

    def put(self, entry: Entry) -> None:
        """Schedule a write of an entry."""
        self._change(entry.key, entry)

    def delete(self, key: str) -> None:
        """Schedule the removal of an entry."""
        self._change(key, None)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when all changes are written and the file is closed."""
        self._open = False
        for timer in (self._save_timer, self._sweep_timer):
            if timer is not None and timer.active():
                timer.cancel()
        yield self._lock.run(self._write)
        yield self._lock.run(self._run, self._file.close)

    def _change(self, key: str, entry: Entry | None) -> None:
        if self._open:
            self._changes[key] = entry
            self._schedule_save()

    def _schedule_save(self) -> None:
        """Schedule a write of the changes, unless one is scheduled or in progress."""
        if self._open and self._changes and self._save_timer is None and not self._lock.locked:
            self._save_timer = self._clock.callLater(self._delay, self._save)

    def _schedule_sweep(self, expires: float) -> None:
        if self._open and (self._sweep_timer is None or not self._sweep_timer.active()):
            later = max(expires - self._now(), 0.0) + SWEEP
            self._sweep_timer = self._clock.callLater(later, self._save, sweep=True)

    def _save(self, *, sweep: bool = False) -> None:
        if self._save_timer is not None and self._save_timer.active():
            self._save_timer.cancel()
        self._save_timer = None
        self._lock.run(self._write, sweep=sweep).addCallback(lambda _: self._schedule_save())

    @inlineCallbacks
    def _write(self, *, sweep: bool = False) -> Any:
        changes, self._changes = self._changes, {}
        try:
            earliest = yield self._run(partial(self._file.write, changes, sweep=sweep))
        except StoreFileError as error:
            if self._last_write_succeeded:
                self.log.error("{error}", error=str(error))
            self._last_write_succeeded = False
            return
        self._last_write_succeeded = True
        if earliest is not None:
            self._schedule_sweep(earliest)
