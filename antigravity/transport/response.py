"""A response whose body is still being received, with its limits."""

# ruff: noqa: N815 - names that Twisted calls

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse
from zope.interface import implementer

from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import CancelledByClientError, GatewayError, UpstreamError
from antigravity.transport.content_coding import ContentDecoder, decoder_for
from antigravity.transport.deadlines import deadline_error
from antigravity.transport.failures import cause_of, error_in_body, failure_of

#: The maximum size of the data that a reader gets at a time; it may hold two hundred events.
SLICE: Final = 2048
#: Seconds per reactor turn for the data of a response; the rest is delivered in the next turn.
TURN_BUDGET: Final = 0.002

#: A function that aborts the connection of a response.
AbortConnection = Callable[[], None]


@implementer(IPushProducer)
class ResponseBody(Protocol):
    """One body on its way from the connection to its reader.

    It is the reader's transport, which can be paused, resumed and stopped.  The idle limit
    costs one attribute per read: the timer compares the time of the last read when it fires.
    Time in which the reader has paused does not count.

    Data that is large, or becomes large when it is decompressed, is passed in slices over
    several reactor turns if the reader is slow.
    """

    def __init__(
        self,
        reader: IProtocol,
        *,
        reactor: IReactorTime,
        idle: float,
        where: str,
        abort_connection: AbortConnection,
        on_end: Callable[[], None],
        decoder: ContentDecoder | None = None,
    ) -> None:
        self._reader: IProtocol | None = reader
        self._decoder = decoder
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._idle = idle
        self._where = where
        self._abort_connection = abort_connection
        self._on_end = on_end
        self._timer: IDelayedCall | None = None
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
        if self._idle:
            self._timer = self._reactor.callLater(self._idle, self._check_idle)
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

    def _check_idle(self) -> None:
        """Fail if the upstream has sent nothing for too long."""
        self._timer = None
        remaining = self._idle
        if not self.paused and not self._pending:
            remaining -= self._seconds() - self._last
        if remaining <= 0:
            self.fail(deadline_error("idle", self._idle, self._where))
        else:
            self._timer = self._reactor.callLater(remaining, self._check_idle)

    def _release(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
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


class _Collector(Protocol):
    """A reader that collects a body up to a limit."""

    def __init__(self, limit: int, where: str, result: Deferred[bytes]) -> None:
        self._limit = limit
        self._where = where
        self._result = result
        self._body = BytesIO()  # a list of small pieces would take far more memory

    def dataReceived(self, data: bytes) -> None:
        if self._body.tell() + len(data) > self._limit:
            self._body = BytesIO()
            self.transport.fail(too_large(self._where, self._limit))  # type: ignore[union-attr]
        else:
            self._body.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._result.called:  # cancelled
            return
        if isinstance(reason.value, ResponseDone):
            self._result.callback(self._body.getvalue())
        else:
            self._result.errback(reason)


def too_large(where: str, limit: int) -> UpstreamError:
    """Return the error for a body that is larger than ``limit`` bytes."""
    return UpstreamError(f"{where} sent more than {limit} bytes", code="answer_too_large")


@implementer(IIncomingResponse)
class IncomingResponse:
    """A response over Twisted's HTTP client.

    ``abort_connection`` is called only until the body has ended: afterwards the connection may
    belong to another request.  ``on_end`` is called once.
    """

    def __init__(
        self,
        response: IResponse,
        content_encoding: str,
        *,
        reactor: IReactorTime,
        idle: float,
        where: str,
        abort_connection: AbortConnection,
        on_end: Callable[[], None],
    ) -> None:
        self._response: Any = response
        self._headers: Mapping[str, str] | None = None
        self._reactor = reactor
        self._idle = idle
        self._where = where
        self._abort_connection = abort_connection
        self._on_end = on_end
        self._body: ResponseBody | None = None
        self._failure: GatewayError | None = None
        self._decoder: ContentDecoder | None = None
        if content_encoding:
            try:
                self._decoder = decoder_for(content_encoding)
            except GatewayError as error:
                self.fail(error)

    def status(self) -> int:
        """Return the status code."""
        code: int = self._response.code
        return code

    def headers(self) -> Mapping[str, str]:
        """Return the headers, names in lower case, the last value of each.

        Those that describe a compressed body are omitted, since the reader gets it decompressed.
        """
        if self._headers is None:
            headers = {
                name.decode("latin-1").lower(): values[-1].decode("latin-1")
                for name, values in self._response.headers.getAllRawHeaders()
            }
            headers.pop("content-encoding", None)  # treq has set an empty one
            if self._decoder is not None:
                headers.pop("content-length", None)
            self._headers = headers
        return self._headers

    def deliver(self, protocol: IProtocol) -> None:
        """Deliver the body to ``protocol``."""
        if self._failure is not None and self._body is not None:
            protocol.makeConnection(self._body)  # type: ignore[arg-type]
            protocol.connectionLost(failure_of(self._failure))
            return
        if self._body is not None:
            raise RuntimeError("the body has already been requested")
        self._body = body = ResponseBody(
            protocol,
            reactor=self._reactor,
            idle=self._idle,
            where=self._where,
            abort_connection=self._abort_connection,
            on_end=self._on_end,
            decoder=self._decoder,
        )
        self._response.deliverBody(body)
        if body.paused:
            body.pauseProducing()  # deliverBody has resumed the connection

    def collect(self, limit: int) -> Deferred[bytes]:
        """Return a Deferred that fires with the body, if it has at most ``limit`` bytes."""
        result: Deferred[bytes] = Deferred(lambda _: self.abort())
        length = self._response.length
        if isinstance(length, int) and length > limit:
            self.abort()
            result.errback(too_large(self._where, limit))
            return result
        self.deliver(_Collector(limit, self._where, result))
        return result

    def abort(self) -> None:
        """Close the connection."""
        if self._body is None:
            self.deliver(Protocol())
        assert self._body is not None
        self._body.stopProducing()

    def fail(self, failure: GatewayError) -> None:
        """Close the connection, and fail the current or next reader."""
        if self._body is not None:
            self._body.fail(failure)
        else:
            self.abort()
            self._failure = failure
