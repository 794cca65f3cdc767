"""Event streams to clients, with flow control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from antigravity.interfaces.exchange import IReplyStream
from antigravity.mcp.protocol.event_log import EventLog
from antigravity.sse import KEEPALIVE_COMMENT


@implementer(IReplyStream, IPushProducer)
class EventStream:
    """A stream of the messages of a log after number ``after``, until the log ends.

    While the client does not read, its messages stay in the log.  With ``prime`` the stream
    begins with an event without data, so that the client has an id to resume from.
    ``disconnected`` is called when the client disconnects before the end.
    """

    def __init__(
        self,
        log: EventLog,
        clock: IReactorTime,
        keepalive: float,
        disconnected: Callable[[], None],
        *,
        after: int = 0,
        prime: bool = False,
    ) -> None:
        self._log = log
        self._clock = clock
        self._keepalive = keepalive
        self._disconnected = disconnected
        self._after = after
        self._prime = prime
        self._consumer: Any = None
        self._written: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._retry: float | None = None
        self._paused = False
        self._is_closed = False
        log.attach(self)

    def start(self, consumer: Any) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._written = written
        if self._is_closed:
            written.callback(None)
            return written
        self._consumer = consumer
        consumer.registerProducer(self, True)
        if self._prime:
            consumer.write(b"id: %b\ndata: \n\n" % self._log.event_id(self._after))
        self._start_timer()
        self._pump()
        if self._retry is not None:
            self.close_connection(self._retry)
        return written

    def close_connection(self, retry: float) -> None:
        """Close the connection, not the stream; the client can resume after ``retry`` seconds."""
        if self._consumer is None:
            self._retry = retry  # applied when the stream starts
            return
        self._pump()
        if self._consumer is not None:
            self._consumer.write(b"retry: %d\n\n" % int(retry * 1000))
        self.finish()

    def finish(self) -> None:
        """End the stream."""
        if self._is_closed:
            return
        self._release()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        written, self._written = self._written, None
        if written is not None and not written.called:
            written.callback(None)

    def abandon(self) -> None:
        """Stop writing, because the client disconnected."""
        if self._is_closed:
            return
        self._release()
        self._consumer = None
        self._disconnected()

    def pauseProducing(self) -> None:
        """Leave messages in the log while the client's buffers are full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Continue to write."""
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:
        """Stop writing, because the client disconnected."""
        self.abandon()

    def _release(self) -> None:
        self._is_closed = True
        self._log.detach(self)
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def wake(self) -> None:
        """Write the new messages of the log."""
        self._pump()

    def _pump(self) -> None:
        if self._consumer is None or self._is_closed:
            return
        while not self._paused:
            waiting = self._log.after(self._after)
            if not waiting:
                break
            self._after = waiting[-1][0]
            self._consumer.write(b"".join([self._log.event(n, data) for n, data in waiting]))
            if self._consumer is None:  # it disconnected during the write
                return
        if self._log.ended and not self._paused:
            self.finish()

    def _start_timer(self) -> None:
        if self._keepalive > 0:
            self._timer = self._clock.callLater(self._keepalive, self._send_keepalive)

    def _send_keepalive(self) -> None:
        self._timer = None
        if self._consumer is not None and not self._paused:
            self._consumer.write(KEEPALIVE_COMMENT)
        self._start_timer()
