"""Entries with an expiry that survive a restart, written in batches beside the reactor."""

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

#: What has expired leaves the disk this much later at most, in seconds.
SWEEP: Final = 60.0


@implementer(IExpiringStore)
class ExpiringStore:
    """Keeps entries in a :class:`SqliteFile`.

    ``run`` calls a function with arguments, in a thread perhaps, and returns a Deferred with
    its result.  Changes are written ``delay`` seconds after the first of them, all at once.
    What cannot be written is lost, and the first time that it happens is reported.
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
        self._working = True

    @inlineCallbacks
    def load(self) -> Any:
        """Return a Deferred that fires with what is kept, the oldest first."""
        try:
            entries = yield self._lock.run(self._run, self._file.read)
        except StoreFileError as error:
            self.log.error("{error}", error=str(error))
            return []
        if entries:
            self._arm_sweep(min(entry.expires for entry in entries))
        return entries

    def put(self, entry: Entry) -> None:
        """Keep something, before long."""
        self._change(entry.key, entry)

    def delete(self, key: str) -> None:
        """Keep what has this key no longer."""
        self._change(key, None)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when everything new is kept and all is closed."""
        self._open = False
        for timer in (self._save_timer, self._sweep_timer):
            if timer is not None and timer.active():
                timer.cancel()
        yield self._lock.run(self._write)
        yield self._lock.run(self._run, self._file.close)

    def _change(self, key: str, entry: Entry | None) -> None:
        if self._open:
            self._changes[key] = entry
            self._arm()

    def _arm(self) -> None:
        """See to it that what is new is written; never two writes at a time."""
        if self._open and self._changes and self._save_timer is None and not self._lock.locked:
            self._save_timer = self._clock.callLater(self._delay, self._save)

    def _arm_sweep(self, expires: float) -> None:
        if self._open and (self._sweep_timer is None or not self._sweep_timer.active()):
            later = max(expires - self._now(), 0.0) + SWEEP
            self._sweep_timer = self._clock.callLater(later, self._save, sweep=True)

    def _save(self, *, sweep: bool = False) -> None:
        if self._save_timer is not None and self._save_timer.active():
            self._save_timer.cancel()
        self._save_timer = None
        self._lock.run(self._write, sweep=sweep).addCallback(lambda _: self._arm())

    @inlineCallbacks
    def _write(self, *, sweep: bool = False) -> Any:
        changes, self._changes = self._changes, {}
        try:
            earliest = yield self._run(partial(self._file.write, changes, sweep=sweep))
        except StoreFileError as error:
            if self._working:
                self.log.error("{error}", error=str(error))
            self._working = False
            return
        self._working = True
        if earliest is not None:
            self._arm_sweep(earliest)
