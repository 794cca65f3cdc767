"""A stream that is made here, of several answers."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from antigravity.interfaces.exchange import IReplyStream


@implementer(IReplyStream, IPushProducer)
class GatheredStream:
    """Holds what is written until the client can take it, and those who write meanwhile.

    ``keepalive`` returns what may be sent while nothing is there.  ``gone`` is called once if
    the client leaves before the end.
    """

    def __init__(
        self,
        clock: IReactorTime,
        interval: float,
        keepalive: Callable[[], bytes],
        gone: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._keepalive = keepalive
        self._gone: Callable[[], None] | None = gone
        self._held: list[bytes] = []
        self._consumer: IConsumer | None = None
        self._written: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._writers: list[IPushProducer] = []
        self._paused = False
        self._ended = False

    def add(self, writer: IPushProducer) -> None:
        """Hold ``writer``, too, while the client does not read."""
        self._writers.append(writer)
        if self._paused:
            writer.pauseProducing()

    def remove(self, writer: IPushProducer) -> None:
        """Hold ``writer`` no more: it has written all."""
        self._writers.remove(writer)

    def write(self, out: bytes) -> None:
        """Write, as soon as the client reads."""
        if out:
            self._held.append(out)
            self._flush()

    def end(self) -> None:
        """End the stream once all is written."""
        self._ended = True
        self._gone = None
        self._flush()

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._written, self._consumer = written, consumer
        consumer.registerProducer(self, True)
        self._arm()
        self._flush()
        return written

    def abandon(self) -> None:
        """Write nothing more, and let nothing go on: nobody is there to read it."""
        gone, self._gone = self._gone, None
        self._consumer, self._held = None, []
        self._disarm()
        if gone is not None:
            gone()

    def pauseProducing(self) -> None:
        """Hold what comes."""
        self._paused = True
        for writer in list(self._writers):
            writer.pauseProducing()

    def resumeProducing(self) -> None:
        """Write what was held."""
        self._paused = False
        self._flush()
        for writer in list(self._writers):
            if not self._paused:
                writer.resumeProducing()

    def stopProducing(self) -> None:
        """Stop for good."""
        self.abandon()

    def _flush(self) -> None:
        while self._consumer is not None and self._held and not self._paused:
            self._consumer.write(self._held.pop(0))
        consumer, written = self._consumer, self._written
        if self._ended and not self._held and consumer is not None and written is not None:
            self._consumer = self._written = None
            self._disarm()
            consumer.unregisterProducer()
            written.callback(None)

    def _arm(self) -> None:
        if self._interval > 0:
            self._timer = self._clock.callLater(self._interval, self._tick)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        if not self._held and not self._paused:
            self.write(self._keepalive())
        if self._consumer is not None:
            self._arm()
