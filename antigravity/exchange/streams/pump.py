"""Moves a streamed response from an upstream to a client, at the speed of the slower one.

Until the response has content, output is held; then the upstream is paused.  Nothing was sent to
the client so far, so the attempt can still fail.  From then on the pump is the client's producer:
a client that does not read pauses the upstream, a client that disconnects stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from zope.interface import implementer

from antigravity.exchange.streams.bounds import (
    HELD_COST,
    HELD_LIMIT,
    RESPONSE_LIMIT,
    no_content,
    too_long,
)
from antigravity.exchange.streams.translated import Translator
from antigravity.interfaces.exchange import IInterruptibleStream
from antigravity.ir.errors import CancelledByClientError, GatewayError, UpstreamError
from antigravity.logs import make_logger


@implementer(IInterruptibleStream, IPushProducer)
class Pump(Protocol):
    """One streamed response.

    With ``abort_on_error`` the stream cannot carry an error, and fails with it.

    :ivar begun: fires once the response has begun, or is over; never fails.
    :ivar error: the error that ended the response early, if any.
    :ivar spent: seconds of translation since :meth:`take_spent` was called last.
    """

    log = make_logger()

    def __init__(
        self,
        translator: Translator,
        clock: IReactorTime,
        keepalive_interval: float,
        finished: Callable[[GatewayError | None], None],
        *,
        abort_on_error: bool = False,
    ) -> None:
        self.translator = translator
        self._abort_on_error = abort_on_error
        self.begun: Deferred[None] = Deferred(lambda _: self.abandon())
        self.error: GatewayError | None = None
        self.spent = 0.0
        self._clock = clock
        self._seconds = clock.seconds
        self._interval = keepalive_interval
        self._finished: Callable[[GatewayError | None], None] | None = finished
        self._held: list[bytes] = []
        self._held_size = 0
        self._received = 0  # before the response began
        self._consumer: IConsumer | None = None
        self._written: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._last_write = 0.0
        self._paused = False
        self._ended = False

    # -- the upstream's side ------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Translate a chunk and pass it on."""
        if self._ended:
            return
        translator, consumer = self.translator, self._consumer
        began = self._seconds()
        try:
            out = translator.feed(data)
        except Exception:  # noqa: BLE001 - a plugin's protocol can raise anything
            out = self._end_of_fault()
        now = self._seconds()
        self.spent += now - began
        if consumer is None:
            self._hold(out, len(data))
        elif out:
            self._last_write = now
            consumer.write(out)
        if translator.over or self.error is not None:
            self._end()
            self._stop_upstream()
        elif consumer is None and translator.meaningful:
            self._upstream("pauseProducing")
            self._begin()

    def _hold(self, out: bytes, size: int) -> None:
        """Hold output for ``size`` bytes that arrived before the response began."""
        if out:
            self._write(out)
        if not self.translator.meaningful:
            self._check_beginning(size)

    def _check_beginning(self, size: int) -> None:
        """Fail a response that has too many bytes before its content."""
        self._received += size
        if self._held_size > HELD_LIMIT:
            self._held.clear()
            self.error = no_content()
        elif self._received > RESPONSE_LIMIT and not self.translator.over and self.error is None:
            self._held.clear()
            self.error = too_long()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Translate the end of the body."""
        if self._ended:
            return
        error = None if reason.check(ResponseDone) else _as_error(reason)
        began = self._seconds()
        try:
            out = self.translator.end(error)
        except Exception:  # noqa: BLE001 - a plugin's protocol can raise anything
            out = self._end_of_fault()
        self.spent += self._seconds() - began
        if out:
            self._write(out)
        self._end()

    # -- the client's side --------------------------------------------------------------

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._written = written
        self._consumer = consumer
        consumer.registerProducer(self, True)
        held, self._held = self._held, []
        if held:
            self._write(b"".join(held))
        if self._ended:
            self._complete()
        else:
            self._last_write = self._seconds()
            self._arm()
            if not self._paused:
                self._upstream("resumeProducing")
        return written

    def pauseProducing(self) -> None:
        """Hold the upstream: the client's buffers are full."""
        self._paused = True
        if not self._ended:
            self._upstream("pauseProducing")

    def resumeProducing(self) -> None:
        """Let the upstream go on."""
        self._paused = False
        if not self._ended:
            self._upstream("resumeProducing")

    def stopProducing(self) -> None:
        """Stop for good: the client is gone."""
        self.abandon()

    def abandon(self) -> None:
        """Stop the upstream and write nothing more: the client has disconnected."""
        if not self._ended:
            self._ended = True
            self._consumer = None
            self._disarm()
            self._stop_upstream()
        self._held.clear()
        # A stream that has ended is reported when it is written, and this one never is.
        self._report(self.error or CancelledByClientError("The client went away."))

    def interrupt(self, error: GatewayError) -> None:
        """Stop the upstream, and end the stream with ``error``."""
        if not self._ended:
            self.connectionLost(Failure(error))
            self._stop_upstream()

    # -- inside -------------------------------------------------------------------------

    def _end_of_fault(self) -> bytes:
        """Return the end of a stream whose translator raised an exception; called for that."""
        self.log.failure("a response could not be translated")
        self.error = UpstreamError(
            "The upstream's response could not be translated; the gateway's log says why."
        )
        try:
            return self.translator.end(self.error)
        except Exception:  # noqa: BLE001 - the same fault again, most likely
            self._abort_on_error = True  # the stream cannot carry an error
            return b""

    def take_spent(self) -> float:
        """Return :attr:`spent`, and begin again at 0."""
        spent, self.spent = self.spent, 0.0
        return spent

    def _write(self, out: bytes) -> None:
        if self._consumer is None:
            self._held.append(out)
            self._held_size += len(out) + HELD_COST
        else:
            self._last_write = self._seconds()
            self._consumer.write(out)

    def _begin(self) -> None:
        begun = self.begun
        if not begun.called:
            begun.callback(None)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self.error = self.error or self.translator.failure
        self._disarm()
        self._begin()
        if self._consumer is not None:
            self._complete()

    def _complete(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        self._report(self.error)
        written, self._written = self._written, None
        if written is None or written.called:
            return
        if self._abort_on_error and self.error is not None:
            written.errback(self.error)
        else:
            written.callback(None)

    def _report(self, error: GatewayError | None) -> None:
        finished, self._finished = self._finished, None
        if finished is not None:
            finished(error)

    def _upstream(self, action: str) -> None:
        """Call a method of the upstream's transport, if it is still there."""
        transport: Any = self.transport
        if transport is not None:
            getattr(transport, action)()

    def _stop_upstream(self) -> None:
        self._upstream("stopProducing")

    # -- keep-alives --------------------------------------------------------------------

    def _arm(self) -> None:
        if self._interval > 0:
            idle = self._seconds() - self._last_write
            self._timer = self._clock.callLater(max(self._interval - idle, 0.05), self._tick)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        silent = self._seconds() - self._last_write
        if silent >= self._interval and not self._paused:
            out = self.translator.keepalive()
            if out:
                self._write(out)
            else:
                self._last_write = self._seconds()
        elif self._paused:
            self._last_write = self._seconds()
        self._arm()


def _as_error(reason: Failure) -> GatewayError:
    """Return the error that ended a body; the transport raises gateway errors where it can."""
    error = reason.value
    if isinstance(error, GatewayError):
        return error
    return UpstreamError(
        "The connection to the upstream was lost before the response was complete."
    )
