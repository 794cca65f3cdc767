"""The records of a worker on their way to the main process, which writes the ledger."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.internet.interfaces import IDelayedCall

from antigravity.interfaces.payloads import RawPayloads
from antigravity.interfaces.state import StateError
from antigravity.ir.record import ExchangeRecord
from antigravity.logs import make_logger, one_line
from antigravity.workers.commands import Batch

#: Seconds until a record is sent, and between two attempts after a failure.
SEND_DELAY: Final = 0.2
_PAUSE: Final = 1.0
#: A batch is sent at once with so many records, and has no more.
BATCH: Final = 500
#: The most records that wait.
QUEUE_LIMIT: Final = 10_000
#: Seconds for a batch to be taken.
SEND_TIMEOUT: Final = 10.0

Send = Callable[[Batch], Deferred[None]]


class WorkerRecords:
    """Takes records without waiting, and sends them in batches.

    A batch leaves the queue when the main process has taken it, so that nothing is lost while
    both live; a worker that is killed loses the records of :data:`SEND_DELAY` seconds.

    :param send: sends a batch; it fails with a :class:`StateError`.
    :ivar lost: the number of records for which there was no room.
    """

    log = make_logger()

    def __init__(self, clock: Any, send: Send) -> None:
        self._clock = clock
        self._send = send
        self._records: deque[ExchangeRecord] = deque()
        self._refusals: dict[str, int] = {}
        #: Takes bodies out, and gets them back; set where bodies are kept.
        self.payloads: Any = None
        self._sending = DeferredLock()
        self._timer: IDelayedCall | None = None
        self._is_stopped = False
        self.lost = 0
        self._lost_sent = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: ExchangeRecord) -> None:
        """Take the record of a finished exchange."""
        records = self._records
        records.append(record if record.error is None else _without_credentials(record))
        if len(records) > QUEUE_LIMIT:
            records.popleft()
            self.lost += 1
        self._schedule(0 if len(records) == BATCH else SEND_DELAY)

    def add_refusal(self, kind: str) -> None:
        """Count a request that was refused before it was admitted."""
        self._refusals[kind] = self._refusals.get(kind, 0) + 1
        self._schedule(SEND_DELAY)

    def payloads_ready(self) -> None:
        """Send bodies, of which the queue has some."""
        self._schedule(SEND_DELAY)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when everything is sent, or cannot be."""
        self._is_stopped = True
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        while self._records or self._refusals or self.payloads:
            if not (yield self._sending.run(self._send_batch)):
                self.log.error("{n} requests are not in the ledger", n=len(self._records))
                break

    def flush(self) -> Deferred[Any]:
        """Return a Deferred that fires when the records of now are sent, or that failed."""
        flushed: Deferred[Any] = self._sending.run(self._send_batch)
        return flushed

    def _schedule(self, seconds: float) -> None:
        if self._is_stopped:
            return
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._flush_now)
        elif not seconds and self._timer.active():
            self._timer.reset(0)

    def _flush_now(self) -> None:
        self._timer = None
        self.flush().addCallback(self._continue)

    def _continue(self, is_sent: bool) -> None:
        if self._records or self._refusals or self.payloads:
            self._schedule(SEND_DELAY if is_sent else _PAUSE)

    @inlineCallbacks
    def _send_batch(self) -> Any:
        """Send what waits, one batch at most; return a Deferred with whether that worked."""
        records = [self._records.popleft() for _ in range(min(BATCH, len(self._records)))]
        refusals, self._refusals = self._refusals, {}
        bodies: list[RawPayloads] = self.payloads.take() if self.payloads else []
        if not records and not refusals and not bodies:
            return True
        lost = self.lost
        try:
            yield self._send(Batch(records, refusals, cast(Any, bodies), lost - self._lost_sent))
        except StateError as error:
            self.log.warn("records wait for the main process: {error}", error=str(error))
            self._records.extendleft(reversed(records))
            for kind, number in refusals.items():
                self._refusals[kind] = self._refusals.get(kind, 0) + number
            if bodies:
                self.payloads.put_back(bodies)
            return False
        self._lost_sent = lost
        if bodies:
            self.payloads.written(bodies)
        return True


def _without_credentials(record: ExchangeRecord) -> ExchangeRecord:
    """Return a copy whose messages of errors hold no credentials."""
    attempts = [
        each if each.error is None else replace(each, error=one_line(each.error))
        for each in record.attempts
    ]
    return replace(record, error=one_line(record.error or ""), attempts=attempts)
