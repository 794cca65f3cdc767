"""A WebSocket connection to an upstream, with the requests that share it."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from wsproto.frame_protocol import CloseReason

from antigravity.interfaces.sockets import IUpstreamSession, UpstreamMessage
from antigravity.ir.call import Body
from antigravity.ir.errors import UpstreamError
from antigravity.ir.socket_turn import SocketTurn
from antigravity.logs import make_logger
from antigravity.transport.failures import cause_of, failure_of
from antigravity.transport.handshake import Handshake
from antigravity.transport.response import too_large
from antigravity.transport.websocket.frame_queue import FrameQueue
from antigravity.transport.websocket.handshake import ClientHandshake, HandshakeRefusedError
from antigravity.websocket.framer import (
    Binary,
    CloseReceived,
    Framer,
    PingReceived,
    Received,
    Text,
)
from antigravity.websocket.message_reader import MessageReader

#: The largest message of an upstream, in bytes: as large as an event over HTTP.
MESSAGE_LIMIT: Final = 64 * 1024 * 1024
#: Seconds between two looks at a connection.
_INTERVAL: Final = 30.0
#: Seconds after which a connection without requests is closed.
_IDLE: Final = 600.0
#: Seconds after which a connection takes no more requests; providers close it after an hour.
_MAX_AGE: Final = 55 * 60.0
#: Seconds that the server has to close the connection after it was asked to.
_CLOSING: Final = 5.0
#: Larger messages are sent in pieces.
_AT_ONCE: Final = 64 * 1024
_MOST_CODE_DIGITS: Final = 4
_LOST: Final = "it closes the connection"


class Run(TypingProtocol):
    """A request that is running."""

    def received(self, message: UpstreamMessage) -> None:
        """Take a part of the response."""

    def lost(self, reason: Failure) -> None:
        """End: the connection is lost."""


class SocketConnection(Handshake, Protocol):
    """A connection.  Nothing is read from it while one of its requests has paused it.

    :param where: the server, for messages.
    :param closed: called when the connection takes no more requests.
    :param lost: called when it is lost.
    :ivar session: the protocol's state.
    :ivar served: how many requests were sent.
    :ivar was_closed_by_server: whether the server has said that it closes the connection.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        session: IUpstreamSession,
        where: str,
        closed: Callable[[SocketConnection], None],
        lost: Callable[[SocketConnection], None],
    ) -> None:
        self.session = session
        self.served = 0
        self.was_closed_by_server = False
        self._reactor = reactor
        self._where = where
        self._closed = closed
        self._lost = lost
        self._handshake: ClientHandshake | None = None
        self._opening: Deferred[SocketConnection] | None = None
        self._framer: Framer | None = None
        self._runs: dict[int, Run] = {}
        self._reader: MessageReader | None = None
        self._frames: FrameQueue | None = None
        self._timer: IDelayedCall | None = None
        self._has_answered = True
        self._opened = self._idle_since = 0.0
        self._is_closing = self._is_retired = False

    # -- the handshake ------------------------------------------------------------------

    def open(self, handshake: ClientHandshake, limit: float) -> Deferred[SocketConnection]:
        """Return a Deferred that fires with this connection when it carries messages.

        It fails with a ``HandshakeRefusedError``.  Cancelling it closes the connection.

        :param limit: seconds that the server has; 0 is no limit.
        """
        opening: Deferred[SocketConnection] = Deferred(lambda _: self.abort())
        self._opening, self._handshake = opening, handshake
        if self.is_lost:
            self._opened_with(failure_of(HandshakeRefusedError(0, _LOST)))
            return opening
        if limit:
            self._timer = self._reactor.callLater(limit, self._late)
        self.transport.write(handshake.request)
        return opening

    def _late(self) -> None:
        self._timer = None
        self._refused(HandshakeRefusedError(0, "it does not respond to the handshake"))

    def _shake(self, data: bytes) -> None:
        """Read the response to the handshake."""
        handshake = self._handshake
        if handshake is None:
            self.abort()  # data before the handshake, or after its end
            return
        try:
            accepted = handshake.feed(data)
        except HandshakeRefusedError as error:
            self._refused(error)
            return
        if accepted is None:
            return
        self._handshake = None
        self._framer = framer = Framer(MESSAGE_LIMIT, accepted.deflate, is_client=True)
        self._reader = reader = MessageReader(
            self._reactor, self.transport, framer, self._handle, self._failed
        )
        self._opened = self._idle_since = self._reactor.seconds()
        self._arm(_INTERVAL, self._tick)
        self._frames = FrameQueue(self.transport)
        self.transport.registerProducer(self._frames, True)
        self._opened_with(self)
        if accepted.rest:
            reader.receive(accepted.rest)

    def _refused(self, error: HandshakeRefusedError) -> None:
        self._handshake = None
        self.abort()
        self._opened_with(failure_of(error))

    def _opened_with(self, result: SocketConnection | Failure) -> None:
        opening, self._opening = self._opening, None
        if opening is None or opening.called:
            return
        if isinstance(result, Failure):
            opening.errback(result)
        else:
            opening.callback(result)

    # -- requests -----------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether the connection takes requests."""
        framer = self._framer
        if framer is None or not framer.is_open or self._is_closing or self.is_lost:
            return False
        if self._is_retired:
            return False
        return bool(self._reactor.seconds() - self._opened < _MAX_AGE)

    def send(
        self, run: Run, turn: SocketTurn, body: Body, *, with_lane: bool, continues: bool
    ) -> int:
        """Send a request, and return its ticket."""
        ticket, parts = self.session.open(turn, body, with_lane=with_lane, continues=continues)
        self._runs[ticket] = run
        self.served += 1
        self._send(parts)
        return int(ticket)

    def _send(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send a message."""
        framer, frames = self._framer, self._frames
        assert framer is not None
        assert frames is not None
        if sum(map(len, parts)) <= _AT_ONCE:
            frames.send(iter((framer.text(b"".join(parts)),)))
        else:
            frames.send(framer.pieces(parts))

    def steer(self, ticket: int, text: bytes) -> None:
        """Send input for a response that is running."""
        if not self._is_closing:
            self._send((self.session.steer(ticket, text),))

    def abandon(self, ticket: int) -> None:
        """Stop a request; there is no message for that.

        The connection is closed unless it has others.
        """
        run = self._runs.pop(ticket, None)
        if run is None:
            return
        self.session.abandon(ticket)
        self.resume_reading(run)
        if not self._runs:
            self.abort()

    def retire(self) -> None:
        """Take no more requests, and close the connection once nothing is running."""
        self._is_retired = True
        if not self._runs:
            self.close()

    def pause_reading(self, run: Run) -> None:
        """Read nothing more until ``run`` wants to."""
        if self._reader is not None:
            self._reader.pause(run)

    def resume_reading(self, run: Run) -> None:
        """Read again, unless another request has paused the connection."""
        if self._reader is not None:
            self._has_answered = True  # it could not be read
            self._reader.resume(run)

    # -- receiving ----------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Receive bytes."""
        if self._is_closing:
            return
        self._has_answered = True
        if self._reader is None:
            self._shake(data)
        else:
            self._reader.receive(data)

    def _handle(self, received: Received) -> None:
        framer = self._framer
        assert framer is not None
        if isinstance(received, Text):
            for message in self.session.receive(received.data):
                self._deliver(message)
            if not self.session.in_flight:
                self._idle_since = self._reactor.seconds()
        elif isinstance(received, PingReceived):
            if framer.is_open and self._frames is not None:
                self._frames.send_pong(framer.pong(received.payload))
        elif isinstance(received, CloseReceived):
            self.was_closed_by_server = not received.is_fault
            if framer.can_close:
                self.transport.write(framer.close(received.code))
            self._fail(_closed_error(self._where, received))
            self._lose()
        elif isinstance(received, Binary):
            self._fail(UpstreamError(f"{self._where} sent a message that is not text"))
            self.abort()

    def _deliver(self, message: UpstreamMessage) -> None:
        ticket = message.ticket
        run = self._runs.get(ticket)
        if run is not None:
            if message.is_last:
                del self._runs[ticket]
            run.received(message)
            if message.is_last:
                self.resume_reading(run)
            is_unwanted = self._is_retired or self.session.in_flight  # what still runs costs tokens
            if message.is_last and not self._runs and is_unwanted:
                self.close()

    # -- time ---------------------------------------------------------------------------

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        """Set the only timer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._timer = self._reactor.callLater(seconds, call)

    def _tick(self) -> None:
        """Close a connection that is not needed, and see whether the server is there."""
        self._timer = None
        now = self._reactor.seconds()
        framer = self._framer
        assert framer is not None
        is_old = now - self._idle_since >= _IDLE or now - self._opened >= _MAX_AGE
        if is_old and not self.session.in_flight:
            self.close()
            return
        if self._reader is not None and not self._reader.is_paused:
            if not self._has_answered and not self.session.in_flight:
                self.abort()
                return  # requests have limits of their own
            self._has_answered = False
            self.transport.write(framer.ping())
        self._arm(_INTERVAL, self._tick)

    # -- the end ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; what is running fails."""
        framer = self._framer
        if framer is not None and framer.can_close and not self._is_closing:
            self.transport.write(framer.close(CloseReason.NORMAL_CLOSURE))
            self._lose()
        else:
            self.abort()

    def _lose(self) -> None:
        self._arm(_CLOSING, self._abort_late)
        self._stop()
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort_late(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    def abort(self) -> None:
        """Close the connection now."""
        if not self.is_lost:
            self._stop()
            self.transport.abortConnection()

    def _stop(self) -> None:
        """Take no more requests, and read and send nothing more."""
        if not self._is_closing:
            self._is_closing = True
            if self._reader is not None:
                self._reader.stop()
            if self._frames is not None:
                self._frames.clear()
            self._closed(self)

    def _failed(self, fault: Exception) -> None:
        failure = failure_of(fault)
        self.log.failure("a WebSocket connection to {where} failed", failure, where=self._where)
        self.abort()

    def _fail(self, error: BaseException) -> None:
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.lost(failure_of(error))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End all requests."""
        self.handshake_lost(reason)
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._stop()
        self._lost(self)
        self._opened_with(failure_of(HandshakeRefusedError(0, _LOST)))
        self._fail(cause_of(reason))


def _closed_error(where: str, received: CloseReceived) -> UpstreamError:
    """Return the error for a server that closes the connection; its reason may hold anything."""
    if received.code == CloseReason.MESSAGE_TOO_BIG and received.is_fault:
        return too_large(where, MESSAGE_LIMIT)
    if received.is_fault:
        return UpstreamError(f"{where} sent a malformed WebSocket message")
    code = str(int(received.code))[:_MOST_CODE_DIGITS]
    return UpstreamError(f"{where} closed the WebSocket connection (code {code})")
