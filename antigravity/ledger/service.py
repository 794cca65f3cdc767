"""The ledger as a service: takes records without waiting, and writes them in a thread.

SQLite is imported in that thread, so that a gateway starts without it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import (
    Deferred,
    DeferredLock,
    DeferredSemaphore,
    inlineCallbacks,
)
from twisted.internet.interfaces import IDelayedCall

from antigravity.deferreds import call_in_thread
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.background_check import BackgroundCheck
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.payload_queue import PayloadQueue
from antigravity.ledger.steady_time import SteadyTime
from antigravity.ledger.storage import Storage
from antigravity.logs import make_logger, one_line
from antigravity.redaction.credentials import CREDENTIALS

if TYPE_CHECKING:
    from antigravity.ledger.reader import Reader
    from antigravity.ledger.rows import Pricer, RequestRow
    from antigravity.ledger.worker import Worker
    from antigravity.stores.postgres_server import Server

#: Seconds until a record is written, and between two attempts after a failure.
FLUSH_DELAY: Final = 0.2
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
#: A flush begins at once with so many records; a transaction has no more.
BATCH: Final = 500
#: The most records that wait, such as while the disk is full.
QUEUE_LIMIT: Final = 10_000
#: After so many bytes of payloads the limits are checked at once.
_PAYLOAD_BYTES: Final = 32 * 1024 * 1024
#: Seconds between two looks for what is too old, and between two steps of deleting it.
_RETENTION_INTERVAL: Final = 600.0
_RETENTION_STEP: Final = 0.1
_READERS: Final = 2
#: Seconds between two steps of writing what waits in the spool.
_REPLAY_STEP: Final = 0.05
#: Seconds after which the connections to a server that does not answer are ended.
_ABORT_AFTER: Final = 40.0
_ABORT_AT_STOP: Final = 5.0

RunInThread = Callable[..., Deferred[Any]]


class LedgerStatus(Struct, frozen=True):
    """The state of the ledger.

    ``path`` is the place of its database.  ``problem`` says why nothing is written now, empty if
    all is well.  ``waiting`` counts records that are not written yet, ``spooled`` those that wait
    in a file for the server, ``lost`` those that were dropped: too many waited, or a row cannot
    be stored.  ``lost_payloads`` counts bodies for which there was no room.  ``lag`` is the age of
    the oldest record that waits, in seconds.
    """

    path: str
    size: int
    problem: str
    waiting: int
    lost: int
    lost_payloads: int = 0
    lag: float = 0.0
    spooled: int = 0


class Ledger(Service):
    """The ledger in the file ``path``, or on a server.

    :param server: the server with the database; ``path`` with the ending ``.spool`` then is the
        file of rows that wait while it is away, of ``spool_limit`` bytes at most.
    :param bounds: the limits of age and size; they can be replaced.
    :param price: returns the cost of an exchange; called in the writer's thread.
    :param run: runs a function in a thread; by default in one of the reactor's.
    :ivar payloads: takes what was sent and received for requests.
    :ivar addresses: returns addresses of accounts, and what is stored in place of each.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        path: Path,
        bounds: Bounds,
        price: Pricer,
        *,
        now: Callable[[], float] = time.time,
        run: RunInThread | None = None,
        server: Server | None = None,
        spool_limit: int = 0,
    ) -> None:
        self._reactor = reactor
        self.path = path
        self.server = server
        self.bounds = bounds
        self._now = now
        self._steady_time = SteadyTime(reactor, now)
        self._run = run or partial(call_in_thread, reactor)
        #: Held while a thread works in the database, which one at a time may change.
        self._writing = DeferredLock()
        self._reading = DeferredSemaphore(_READERS)
        self._check = BackgroundCheck(
            self._run, lambda damage: self._in_writer(lambda worker: worker.replace(damage))
        )
        self._records: deque[ExchangeRecord] = deque()
        #: How many records a thread writes now.
        self._taken = 0
        #: Whether a thread writes payloads now.
        self._writes_payloads = False
        self.payloads = PayloadQueue(self._schedule_flush)
        self.addresses: Callable[[], Mapping[str, str]] = dict
        self._payload_bytes = 0
        self._refusals: dict[tuple[int, str], int] = {}
        self._timer: IDelayedCall | None = None
        self._retention_timer: IDelayedCall | None = None
        self._pause = 0.0
        self._storage = Storage(path, server, spool_limit, now, price)
        self._replay_timer: IDelayedCall | None = None
        self._spooled = 0
        self._problem = ""
        self._lost = 0
        self._size = 0
        self._listeners: list[Callable[[list[RequestRow]], None]] = []

    def startService(self) -> None:
        """Begin to write.  Records that came before are written, too."""
        super().startService()  # type: ignore[no-untyped-call]
        self._retention_timer = self._reactor.callLater(_RETENTION_STEP, self._keep_bounds)
        if self.server is not None:
            self._replay_timer = self._reactor.callLater(0, self._replay)

    @inlineCallbacks
    def stopService(self) -> Any:
        """Write what waits, and close the file; the Deferred fires when that is done."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._check.stop()
        for timer in (self._timer, self._retention_timer, self._replay_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._retention_timer = self._replay_timer = None
        abort_timer = self.server and self._reactor.callLater(_ABORT_AT_STOP, self._storage.abort)
        while self._records or self._refusals or self.payloads:
            yield self.flush()
            if self._pause:
                self.log.error("{n} requests are not in the ledger", n=len(self._records))
                break
            if self._problem and not self._records and not self._refusals:
                break  # payloads do not wait for the server of the ledger
        if abort_timer and abort_timer.active():
            abort_timer.cancel()
        yield self._writing.run(self._run, self._storage.close)

    def add(self, record: ExchangeRecord) -> None:
        """Take the record of a finished exchange; it is written soon."""
        records = self._records
        records.append(record if record.error is None else _without_credentials(record))
        if len(records) > QUEUE_LIMIT:
            records.popleft()
            self._lost += 1
        if self._timer is None:
            self._schedule(self._pause or FLUSH_DELAY)
        elif len(records) == BATCH and not self._pause:
            self._schedule(0)

    def add_refusal(self, kind: str) -> None:
        """Count a request that was refused before it was admitted."""
        key = int(self._now() // 3600), kind
        self._refusals[key] = self._refusals.get(key, 0) + 1
        self._schedule_flush()

    def listen(self, listener: Callable[[list[RequestRow]], None]) -> Callable[[], None]:
        """Call ``listener`` with rows that were written; return a function that ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @inlineCallbacks
    def ask(self, question: Callable[[Reader], Any], *, payloads: bool = False) -> Any:
        """Return a Deferred with what ``question`` returns, which is called in a thread.

        What waits is written before, unless writing fails at the moment; ``payloads`` only if the
        question is about them, because they take long.  It fails with a ``LedgerError`` if the
        ledger cannot be read.
        """
        if not self._pause:
            yield self.flush(payloads=payloads)
        if self._storage.reader is None:
            yield self._in_writer(self._storage.open_reader)
        if self._storage.reader is None:
            raise LedgerError(self._problem or "it is closed")
        return (yield self._reading.run(self._run_watched, question, self._storage.reader))

    def status(self) -> LedgerStatus:
        """Return the state of the ledger."""
        return LedgerStatus(
            self.server.name if self.server else str(self.path),
            self._size,
            self._problem,
            len(self._records) + self._taken,
            self._lost,
            self.payloads.lost,
            self._lag(),
            self._spooled,
        )

    def _lag(self) -> float:
        """Return the age of the oldest record that waits; the clock may go back."""
        if not self._records:
            return 0.0
        oldest = self._records[0]
        return max(0.0, self._now() - oldest.started - (oldest.duration or 0.0))

    @inlineCallbacks
    def flush(self, *, payloads: bool = True) -> Any:
        """Write what waits, one batch at most; the Deferred fires also if that fails.

        :param payloads: whether to write payloads, too.
        """
        rows = bool(self._records or self._refusals or self._taken)
        if rows:
            yield self._writing.run(self._write_batch)
        waiting = bool(self.payloads) or self._writes_payloads
        if payloads and waiting and not (rows and self._pause):
            yield self._writing.run(self._write_payloads)

    def _schedule_flush(self) -> None:
        if self._timer is None:
            self._schedule(self._pause or FLUSH_DELAY)

    def _schedule(self, seconds: float) -> None:
        """Write after so many seconds."""
        if not self.running:
            return
        if self._timer is None:
            self._timer = self._reactor.callLater(seconds, self._flush_now)
        else:
            self._timer.reset(seconds)

    def _flush_now(self) -> None:
        self._timer = None
        self.flush()

    @inlineCallbacks
    def _write_batch(self) -> Any:
        records = [self._records.popleft() for _ in range(min(BATCH, len(self._records)))]
        refusals, self._refusals = self._refusals, {}
        if not records and not refusals:
            return
        self._taken = len(records)
        written = yield self._call(lambda worker: worker.write(records, refusals))
        self._taken = 0
        if written is None:
            self._records.extendleft(reversed(records))
            for key, number in refusals.items():
                self._refusals[key] = self._refusals.get(key, 0) + number
            self._wait_longer()
            return
        self._pause = 0.0
        self._lost += len(records) - len(written)
        if len(self._records) >= BATCH:
            self._schedule(0)
        elif self._records or self._refusals:
            self._schedule_flush()  # earlier, if a record came while these were written
        for listener in tuple(self._listeners):
            try:
                listener(written)
            except Exception:  # noqa: BLE001 - the others must be called
                self.log.failure("a listener of the ledger failed")

    @inlineCallbacks
    def _write_payloads(self) -> Any:
        from antigravity.ledger.payload_text import PayloadRedactor

        taken = self.payloads.take()
        if not taken:
            return
        redactor = PayloadRedactor(CREDENTIALS.snapshot(), self.addresses())
        self._writes_payloads = True
        stored = yield self._call(lambda worker: worker.write_payloads(taken, redactor))
        self._writes_payloads = False
        if stored is None:
            self.payloads.put_back(taken)
            if self.server is None:  # else rows go into the spool meanwhile
                self._wait_longer()
            return
        self._pause = 0.0
        self.payloads.written(taken)
        if self.payloads:
            self._schedule(0)  # others can use the database in between
        self._payload_bytes += stored
        timer = self._retention_timer
        if self._payload_bytes >= _PAYLOAD_BYTES and timer is not None and timer.active():
            timer.reset(_RETENTION_STEP)

    def _wait_longer(self) -> None:
        """Try again later, because nothing could be written."""
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self._schedule(self._pause)

    @inlineCallbacks
    def _keep_bounds(self) -> Any:
        self._retention_timer = None
        self._payload_bytes = 0
        now, bounds = self._steady_time(), self.bounds
        more = yield self._in_writer(lambda worker: worker.keep_bounds(bounds, now))
        if self.running:
            pause = _RETENTION_STEP if more else _RETENTION_INTERVAL
            self._retention_timer = self._reactor.callLater(pause, self._keep_bounds)

    @inlineCallbacks
    def _replay(self) -> Any:
        """Write what waits in the spool, and look again later while something does."""
        self._replay_timer = None
        more = yield self._in_writer(lambda worker: worker.replay())
        self._continue_replay(_REPLAY_STEP if more else _FIRST_PAUSE)

    def _continue_replay(self, seconds: float) -> None:
        if self.running and self._spooled and self._replay_timer is None:
            self._replay_timer = self._reactor.callLater(seconds, self._replay)

    def _in_writer(self, work: Callable[[Worker], Any]) -> Deferred[Any]:
        """Return a Deferred with the result of ``work``, ``None`` if it failed."""
        return self._writing.run(self._call, work)

    @inlineCallbacks
    def _call(self, work: Callable[[Worker], Any]) -> Any:
        """Call ``work`` in a thread, by who holds the lock; return ``None`` if it failed."""
        storage = self._storage
        result, size, problem = yield self._run_watched(storage.work, work)
        self._size = size or self._size
        if storage.database is not None:
            self._check.begin(storage.database)
        if storage.worker is not None:
            self._spooled = storage.worker.spooled
            self._continue_replay(_FIRST_PAUSE)
        if problem and problem != self._problem:
            self.log.error("the ledger cannot be used: {problem}", problem=problem)
        elif self._problem and not problem:
            self.log.info("the ledger can be used again; {n} requests were lost", n=self._lost)
        self._problem = problem
        return result

    @inlineCallbacks
    def _run_watched(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a thread; if a server does not answer, end its connections."""
        timer = self.server and self._reactor.callLater(_ABORT_AFTER, self._storage.abort)
        try:
            return (yield self._run(function, *arguments))
        finally:
            if timer and timer.active():
                timer.cancel()


def _without_credentials(record: ExchangeRecord) -> ExchangeRecord:
    """Return a copy whose messages of errors hold no credentials.

    The credentials in use can be looked for in the reactor's thread only.
    """
    attempts = [
        each if each.error is None else replace(each, error=one_line(each.error))
        for each in record.attempts
    ]
    return replace(record, error=one_line(record.error or ""), attempts=attempts)
