"""The ledger of a home directory, which one gateway at a time writes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks, maybeDeferred
from zope.interface import implementer

from antigravity.app.prices import RequestPricer
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.ledger import (
    ExportQuestion,
    ILedger,
    RequestDetail,
    RequestPage,
    RequestQuestion,
    UsageQuestion,
    UsageReport,
)
from antigravity.interfaces.payloads import RequestPayloads
from antigravity.interfaces.status import LedgerState
from antigravity.ir.errors import UnavailableError
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.payload_queue import PayloadQueue
from antigravity.ledger.service import Ledger
from antigravity.logs import make_logger
from antigravity.stores.lock_file import LockFile
from antigravity.stores.postgres_server import Server

if TYPE_CHECKING:
    from antigravity.ledger.reader import Reader
    from antigravity.ledger.rows import RequestRow

LEDGER_FILE: Final = "ledger.db"
LOCK_FILE: Final = "ledger.lock"


@implementer(ILedger)
class HomeLedger:
    """The ledger in ``directory``, or in a temporary directory for ``None``.

    :ivar ledger: the ledger, ``None`` while there is none.
    :ivar pricer: what prices its requests.
    :ivar problem: why there is none, although the settings want one.

    :param written: functions that are called with the rows that were written.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        directory: Path | None,
        *written: Callable[[Sequence[RequestRow]], None],
    ) -> None:
        self._written = written
        self._reactor = reactor
        self._directory = directory
        self.pricer = RequestPricer(directory)
        self._temporary: Path | None = None
        self._lock: LockFile | None = None
        self._changing = DeferredLock()
        self.ledger: Ledger | None = None
        self._place = Secret(), 0
        self.problem = ""
        self._listeners: list[Callable[[int], None]] = []
        self._addresses: Callable[[], Mapping[str, str]] = dict
        self._payloads: Literal["off", "errors", "all"] = "off"

    @property
    def payload_sink(self) -> PayloadQueue | None:
        """What takes the payloads of requests, ``None`` if they are not kept."""
        if self.ledger is None or self._payloads == "off":
            return None
        return self.ledger.payloads

    def hide(self, addresses: Callable[[], Mapping[str, str]]) -> None:
        """Store other texts in the place of the addresses that ``addresses`` returns."""
        self._addresses = addresses
        if self.ledger is not None:
            self.ledger.addresses = addresses

    def use(self, settings: LedgerSettings) -> Any:
        """Start, change or stop the ledger; the Deferred fires when that is done."""
        return self._changing.run(self._use, settings)

    def stop(self) -> Any:
        """Write what waits, and release the directory; the Deferred fires when that is done."""
        return self._changing.run(self._stop)

    def add(self, record: ExchangeRecord) -> None:
        """Keep a finished exchange, if there is a ledger."""
        if self.ledger is not None:
            self.ledger.add(record)

    def add_refusal(self, kind: str) -> None:
        """Count a request that was refused before it was admitted, if there is a ledger."""
        if self.ledger is not None:
            self.ledger.add_refusal(kind)

    def requests(self, question: RequestQuestion) -> Deferred[RequestPage]:
        """Return a Deferred that fires with a page of requests; see :class:`ILedger`."""

        def answer(reader: Reader) -> RequestPage:
            from antigravity.ledger.answers import answer_requests

            return answer_requests(reader, question)

        return self._ask(answer)

    def request(self, reference: str) -> Deferred[RequestDetail]:
        """Return a Deferred that fires with one request."""

        def answer(reader: Reader) -> RequestDetail:
            from antigravity.ledger.answers import answer_request

            return answer_request(reader, reference)

        return self._ask(answer)

    def payloads(self, reference: str) -> Deferred[RequestPayloads]:
        """Return a Deferred that fires with what was sent and received for a request."""

        def answer(reader: Reader) -> RequestPayloads:
            from antigravity.ledger.payload_answers import answer_payloads

            return answer_payloads(reader, reference)

        return self._ask(answer, payloads=True)

    def export(self, question: ExportQuestion) -> Deferred[Callable[[], Deferred[bytes]]]:
        """Return a Deferred that fires with what returns the pieces of an export."""

        def answer(reader: Reader) -> Callable[[], Deferred[bytes]]:
            from antigravity.ledger.export import Export

            export = Export(question)
            return lambda: self._ask(export.next_piece)

        return self._ask(answer, payloads=True)

    def usage(self, question: UsageQuestion) -> Deferred[UsageReport]:
        """Return a Deferred that fires with sums."""

        def answer(reader: Reader) -> UsageReport:
            from antigravity.ledger.answers import answer_usage

            return answer_usage(reader, question)

        return self._ask(answer)

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Call ``listener`` with the number of new requests, also of a later ledger."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def status(self) -> LedgerState:
        """Return the state of the ledger."""
        if self.ledger is None:
            return LedgerState(enabled=False, problem=self.problem)
        found = self.ledger.status()
        return LedgerState(
            enabled=True,
            problem=found.problem,
            path=found.path,
            bytes=found.size,
            waiting=found.waiting,
            lost=found.lost,
            payloads=self._payloads,
            lost_payloads=found.lost_payloads,
            lag=found.lag,
            spooled=found.spooled,
        )

    @inlineCallbacks
    def _ask(self, answer: Callable[[Reader], Any], *, payloads: bool = False) -> Any:
        ledger = self.ledger
        if ledger is None:
            reason = self.problem or "ledger.enabled is false in its configuration"
            raise UnavailableError(f"The gateway keeps no ledger: {reason}.")
        try:
            return (yield ledger.ask(answer, payloads=payloads))
        except LedgerError as error:
            raise UnavailableError(f"The ledger cannot be read: {error}.") from error

    @inlineCallbacks
    def _use(self, settings: LedgerSettings) -> Any:
        bounds = Bounds(
            settings.max_age,
            settings.max_bytes,
            settings.payload_max_age,
            settings.payload_max_bytes,
        )
        self._payloads = settings.payloads
        place = settings.url, settings.max_spool
        if not settings.enabled or place != self._place:
            yield self._stop()
        if not settings.enabled:
            return
        if self.ledger is not None:
            self.ledger.bounds = bounds
        else:
            path = yield maybeDeferred(call_in_thread, self._reactor, self._take_directory)
            if path is None:
                self.log.error("there is no ledger: {problem}", problem=self.problem)
                return
            self.problem = ""
            self._place = place
            self.ledger = Ledger(
                self._reactor,
                path,
                bounds,
                self.pricer,
                server=Server(settings.url.reveal()) if settings.url else None,
                spool_limit=settings.max_spool,
            )
            self.ledger.addresses = self._addresses
            self.ledger.listen(self._rows_written)
            self.ledger.startService()
        if self.ledger is not None:
            self.ledger.payloads.keeps_all = settings.payloads == "all"

    def _rows_written(self, rows: Sequence[RequestRow]) -> None:
        for observe in self._written:
            observe(rows)
        if rows:
            for listener in tuple(self._listeners):
                listener(len(rows))

    @inlineCallbacks
    def _stop(self) -> Any:
        ledger, self.ledger = self.ledger, None
        lock, self._lock = self._lock, None
        temporary, self._temporary = self._temporary, None
        self.problem = ""
        if ledger is not None:
            yield ledger.stopService()
        if lock is not None:
            lock.release()
        if temporary is not None:
            yield call_in_thread(self._reactor, shutil.rmtree, temporary, True)

    def _take_directory(self) -> Path | None:
        """Return the path of the ledger, or ``None`` with the problem if it cannot be used."""
        if self._directory is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="antigravity-"))
            return self._temporary / LEDGER_FILE
        lock = LockFile(self._directory / LOCK_FILE)
        try:
            if not lock.acquire():
                self.problem = f"another gateway keeps the one in {self._directory}"
                return None
        except OSError as error:
            self.problem = f"{self._directory} cannot be written: {error.strerror}"
            return None
        self._lock = lock
        return self._directory / LEDGER_FILE
