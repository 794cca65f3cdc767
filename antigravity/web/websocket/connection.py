"""A client's connection after the upgrade to WebSocket."""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from wsproto.frame_protocol import CloseReason
from zope.interface import implementer

from antigravity.logs import make_logger
from antigravity.web.connection.connection import ClientConnection
from antigravity.web.connection.successor import ISuccessor
from antigravity.websocket.framer import (
    Binary,
    CloseReceived,
    Framer,
    PingReceived,
    Received,
    Text,
)
from antigravity.websocket.message_reader import MessageReader

#: Seconds that the other side has to close the connection after it was asked to.
_CLOSING: Final = 5.0
#: Seconds between two looks at a connection without pings.
_UNPINGED: Final = 30.0
#: Bytes per second below which a message is stuck.
_SLOWEST: Final = 1024
#: Seconds for which a client may not read anything at all.
_STALLED: Final = 300.0
#: Why a connection is not read from.
_HELD: Final = "held"
_CONGESTED: Final = "congested"


class Messages(TypingProtocol):
    """What handles the messages of a connection."""

    @property
    def is_busy(self) -> bool:
        """Whether it is working on a message."""

    def received(self, text: bytes | None) -> None:
        """Handle a message; ``None`` is one that is not text."""

    def tick(self) -> None:
        """Send signs of life where they are due."""

    def expire(self) -> bytes:
        """Begin nothing new, and return the last message: the connection has lived too long."""

    def finish(self) -> None:
        """Begin nothing new: the gateway is shutting down."""

    def cancel_unstarted(self) -> None:
        """Fail what has sent nothing yet."""

    def pause(self) -> None:
        """Send nothing for a while."""

    def resume(self) -> None:
        """Send again."""

    def lost(self) -> None:
        """Cancel everything."""


@implementer(IPushProducer, ISuccessor)
class WebSocketConnection(Protocol):
    """A connection whose messages are handled elsewhere.

    A client that does not read its messages stops what is written to it, and its own messages are
    not read.  One that answers no ping is cut off.

    :param channel: the HTTP connection that this one was.
    :param interval: seconds between two pings; 0 sends none.
    :param max_age: seconds after which the connection is closed once nothing is running; 0 never.
    :param make_messages: makes what handles the messages.
    :ivar id: a name that no other connection has.
    """

    log = make_logger()
    transport: Any
    _reader: MessageReader

    def __init__(
        self,
        channel: ClientConnection,
        framer: Framer,
        interval: float,
        max_age: float,
        make_messages: Callable[[WebSocketConnection], Messages],
        connection_id: str,
    ) -> None:
        self.id = connection_id
        self.is_congested = False
        self._holds = 0
        self._when_lost: list[Callable[[], None]] = []
        self._channel = channel
        self._clock = channel.site.reactor
        self._framer = framer
        self._is_pinging = bool(interval)
        self._interval = interval or _UNPINGED
        self._opened = self._clock.seconds()
        self._max_age = max_age
        self._messages = make_messages(self)
        self._timer: Any = None
        self._closing_code = 0  # to be sent once nothing is running
        self._last_message: bytes | None = None  # to be sent before it
        self._has_answered = True
        self._received = 0  # bytes since the last look
        self._was_receiving = False  # a message that had begun by then
        self._congested_since = 0.0
        self._is_lost = False

    def connectionMade(self) -> None:
        """Wait for messages."""
        self._reader = MessageReader(
            self._clock, self.transport, self._framer, self._handle, self._failed
        )
        self.transport.registerProducer(self, True)
        self._arm(self._interval, self._tick)

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        """Set the only timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, call)

    # -- receiving ----------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Receive bytes."""
        self._has_answered = True
        self._received += len(data)
        self._reader.receive(data)

    def _failed(self, fault: Exception) -> None:
        self.fail(Failure(fault))

    def hold(self) -> None:
        """Read nothing more until :meth:`release` is called as often."""
        self._holds += 1
        self._reader.pause(_HELD)

    def release(self) -> None:
        """Read again."""
        self._holds = max(0, self._holds - 1)  # none is left after :meth:`close`
        if not self._holds:
            self._has_answered = True  # the client could not be heard
            self._reader.resume(_HELD)

    def _handle(self, received: Received) -> None:
        framer = self._framer
        if isinstance(received, CloseReceived):
            self._closed_by_client(received)
        elif not framer.is_open:
            return
        elif isinstance(received, Text):
            self._messages.received(received.data)
        elif isinstance(received, Binary):
            self._messages.received(None)
        elif isinstance(received, PingReceived):
            self.transport.write(framer.pong(received.payload))

    def _closed_by_client(self, received: CloseReceived) -> None:
        """Answer, and close the connection: nothing more can be read."""
        if self._framer.can_close:
            self.transport.write(self._framer.close(received.code, received.reason))
        self._messages.lost()
        if received.is_fault:
            # what it still sends must not reset the connection before it has read the reason
            self._arm(_CLOSING, self._abort)
            self.transport.unregisterProducer()
            self._shut_down()
        else:
            self._lose()

    def _shut_down(self) -> None:
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None or self._channel.isSecure():
            self._lose()
        else:
            half_close()

    def _lose(self) -> None:
        self._arm(_CLOSING, self._abort)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    # -- sending ------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        """Send a message, unless the connection is closing."""
        if self._framer.is_open and not self._is_lost:
            self.transport.write(self._framer.text(text))

    def work_changed(self) -> None:
        """Note that the messages are busy, or are so no more."""
        is_busy = self._messages.is_busy
        if self._channel.is_busy != is_busy and not self._is_lost:
            self._channel.is_busy = is_busy
            if not is_busy:
                self._channel.site.note_idle()
        if not is_busy and self._closing_code:
            if self._last_message is not None:
                self.send(self._last_message)
            self.close(self._closing_code)

    def fail(self, failure: Failure) -> None:
        """Close the connection because of a fault of the gateway."""
        self.log.failure("a WebSocket connection failed", failure)
        self.close(CloseReason.INTERNAL_ERROR, "internal error")

    def close(self, code: int, reason: str = "") -> None:
        """Say that the connection is over, and close it; nothing more is sent."""
        if not self._framer.can_close or self._is_lost:
            return
        self.transport.write(self._framer.close(code, reason))
        self._messages.lost()
        self._arm(_CLOSING, self._abort)
        self._holds = 0
        self._reader.resume_all()  # the answer must be read

    # -- time ---------------------------------------------------------------------------

    def _tick(self) -> None:
        """See whether the client is there, and show it that the gateway is."""
        self._timer = None
        now = self._clock.seconds()
        if self.is_congested:
            if now - self._congested_since >= _STALLED:
                self._abort()
                return
        elif self._is_pinging and not self._holds:
            if not self._has_answered:
                self._abort()
                return
            self._has_answered = False
            self.transport.write(self._framer.ping())
        self._arm(self._interval, self._tick)
        if self._is_stuck():
            self.close(CloseReason.POLICY_VIOLATION, "a message did not arrive in time")
            return
        if not self.is_congested:
            self._messages.tick()
        is_old = self._max_age and now - self._opened >= self._max_age
        if is_old and self._last_message is None:
            self._last_message = self._messages.expire()
            self._close_when_idle(CloseReason.GOING_AWAY)

    def _is_stuck(self) -> bool:
        """Return whether a message has made too little progress since the last look."""
        is_listening = not self.is_congested and not self._holds
        is_receiving = self._framer.is_receiving and is_listening
        is_stuck = (
            is_receiving and self._was_receiving and self._received < _SLOWEST * self._interval
        )
        self._was_receiving = is_receiving
        self._received = 0
        return is_stuck

    def _close_when_idle(self, code: int) -> None:
        self._closing_code = self._closing_code or code
        self.work_changed()

    # -- back-pressure ------------------------------------------------------------------

    def pauseProducing(self) -> None:
        """Stop: the client does not read fast enough."""
        if not self.is_congested:
            self.is_congested = True
            self._congested_since = self._clock.seconds()
            self._messages.pause()
            self._reader.pause(_CONGESTED)

    def resumeProducing(self) -> None:
        """Go on."""
        if self.is_congested:
            self.is_congested = False
            self._has_answered = True  # no ping was sent
            self._messages.resume()
            self._reader.resume(_CONGESTED)

    def stopProducing(self) -> None:
        """Do nothing: the loss of the connection is reported, too."""

    # -- the end ------------------------------------------------------------------------

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call ``call`` when the connection is lost; see :class:`SocketOwner`."""
        if self._is_lost:
            call()
        else:
            self._when_lost.append(call)

    def close_if_idle(self) -> None:
        """Begin nothing new, and close the connection once nothing is running."""
        self._messages.finish()
        self._close_when_idle(CloseReason.GOING_AWAY)

    def cancel_unstarted(self) -> None:
        """Fail the requests whose response has not begun."""
        self._messages.cancel_unstarted()

    def close_now(self) -> None:
        """Close the connection, whatever is running."""
        self.close(CloseReason.GOING_AWAY, "the gateway is shutting down")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel everything."""
        self._is_lost = True
        self._reader.stop()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._messages.lost()
        calls, self._when_lost = self._when_lost, []
        for call in calls:
            call()
