"""A body on its way from the connection to its reader."""

# ruff: noqa: N815 - names that Twisted calls

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from zope.interface import implementer

from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.transport.content_coding import ContentDecoder
from antigravity.transport.failures import cause_of, error_in_body, failure_of

#: The maximum size of the data that a reader gets at a time; it may hold a hundred events or two.
SLICE: Final = 32 * 1024
#: Seconds per reactor turn for the data of a response; the rest is delivered in the next turn.
TURN_BUDGET: Final = 0.002

#: A function that aborts the connection of a response.
AbortConnection = Callable[[], None]


@implementer(IPushProducer)
class ResponseBody(Protocol):
    """One body on its way from the connection to its reader.

    It is the reader's transport, which can be paused, resumed and stopped.  The idle limit
    costs one attribute per read: its timer asks :meth:`idle_until` when it is due.

    Data that is large, or becomes large when it is decompressed, is passed in slices over
    several reactor turns if the reader is slow.
    """

    def __init__(
        self,
        reader: IProtocol,
        *,
        reactor: IReactorTime,
        where: str,
        abort_connection: AbortConnection,
        on_end: Callable[[], None],
        decoder: ContentDecoder | None = None,
    ) -> None:
        self._reader: IProtocol | None = reader
        self._decoder = decoder
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._where = where
        self._abort_connection = abort_connection
        self._on_end = on_end
        self._last = 0.0
        self._stopped = False
        self.paused = False
        #: Data that the reader has not received yet, in slices.
        self._pending: deque[Iterator[bytes]] = deque()
        self._delivering = False
        self._connection_paused = False
        self._next_turn: IDelayedCall | None = None
        #: The reason why the connection has ended, if it has.
        self._ended_with: Failure | None = None

    # Called by the connection.

    def connectionMade(self) -> None:
        """Connect the reader, which may pause or stop at once."""
        assert self._reader is not None
        self._last = self._seconds()
        self._reader.makeConnection(self)  # type: ignore[arg-type]

    def dataReceived(self, data: bytes) -> None:
        """Pass ``data`` to the reader."""
        reader = self._reader
        if reader is None or self._stopped:
            return
        self._last = self._seconds()
        if self._decoder is not None:
            self._pending.append(_slices(self._decoder.feed(data)))
        elif self._pending or len(data) > SLICE:
            self._pending.append(_slices((data,)))
        else:
            reader.dataReceived(data)
            return
        if self._next_turn is None and not self.paused:
            self._deliver()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the body with a ``GatewayError`` or ``ResponseDone``, after all data is delivered."""
        if isinstance(reason.value, PotentialDataLoss):
            # A body without a length ends when the server closes the connection.
            reason = failure_of(ResponseDone())
        if self._stopped:
            reason = failure_of(CancelledByClientError("the response was not read to its end"))
        elif not isinstance(reason.value, ResponseDone):
            reason = failure_of(error_in_body(cause_of(reason), self._where))
        elif self._decoder is not None:
            self._pending.append(_slices(self._decoder.end()))
        elif not self._pending:
            self._end(reason)
            return
        self._ended_with = reason
        if self._next_turn is None and not (self.paused and self._pending):
            self._deliver()

    def _deliver(self) -> None:
        """Pass pending data to the reader, for the time of one turn."""
        if self._delivering:
            return
        self._next_turn = None
        self._delivering = True
        try:
            is_late = self._deliver_slices()
        except GatewayError as error:  # it cannot be decompressed
            self.fail(error)
            return
        finally:
            self._delivering = False
        if is_late:
            self._next_turn = self._reactor.callLater(0, self._deliver)
            self._pause_connection()
        elif self._ended_with is not None and not self._pending:
            self._end(self._ended_with)
        elif self._connection_paused and not self.paused and not self._pending:
            self._resume_connection()

    def _pause_connection(self) -> None:
        """Pause the connection."""
        if self._is_receiving:
            self._connection_paused = True
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def _resume_connection(self) -> None:
        """Resume the connection."""
        if self._is_receiving:
            self._connection_paused = False
            self.transport.resumeProducing()  # type: ignore[union-attr]

    def _deliver_slices(self) -> bool:
        """Pass data to the reader; return whether the time ran out before all was passed."""
        until = self._seconds() + TURN_BUDGET
        while self._pending:
            for piece in self._pending[0]:
                if self._reader is None or self._stopped:
                    break
                self._reader.dataReceived(piece)
                if self.paused:
                    return False
                if self._seconds() > until:
                    return self._reader is not None and not self._stopped
            if self._reader is None or self._stopped:
                self._pending.clear()
            else:
                self._pending.popleft()
        return False

    # Called by the reader.

    def pauseProducing(self) -> None:
        """Pause the connection and the delivery."""
        self.paused = True
        self._pause_connection()

    def resumeProducing(self) -> None:
        """Continue; the idle time starts again."""
        self.paused = False
        self._last = self._seconds()
        if self._pending:
            if self._next_turn is None:
                self._deliver()
        else:
            self._resume_connection()

    @property
    def _is_receiving(self) -> bool:
        """Whether the connection still belongs to this body, and the reader has not stopped it."""
        return self._reader is not None and not self._stopped and self._ended_with is None

    def stopProducing(self) -> None:
        """Close the connection; ``connectionLost`` follows in the next reactor turn."""
        if self._reader is not None and not self._stopped:
            self._stopped = True
            self._pending.clear()
            self._release()
            if self._ended_with is None:
                self._abort_connection()
            else:
                self._ended_with = failure_of(CancelledByClientError("the response was not read"))
                self._next_turn = self._reactor.callLater(0, self._deliver)

    loseConnection = stopProducing
    abortConnection = stopProducing

    # Limits.

    def fail(self, failure: GatewayError) -> None:
        """Close the connection and end the body with ``failure`` now."""
        if self._reader is not None and not self._stopped:
            if self._ended_with is None:
                self._abort_connection()
            self._end(failure_of(failure))

    def idle_until(self, now: float, limit: float) -> float:
        """Return when the upstream has sent nothing for ``limit`` seconds.

        Time in which the reader has paused does not count.
        """
        return (now if self.paused or self._pending else self._last) + limit

    def _release(self) -> None:
        self._cancel_turn()
        self._on_end()

    def _cancel_turn(self) -> None:
        waiting, self._next_turn = self._next_turn, None
        if waiting is not None:
            waiting.cancel()

    def _end(self, reason: Failure) -> None:
        reader, self._reader = self._reader, None
        self._pending.clear()
        self._cancel_turn()
        if reader is not None:
            if not self._stopped:
                self._release()
            reader.connectionLost(reason)


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``pieces`` in slices."""
    for piece in pieces:
        if len(piece) <= SLICE:
            yield piece
        else:
            for start in range(0, len(piece), SLICE):
                yield piece[start : start + SLICE]
