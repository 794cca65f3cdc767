"""A stream whose bytes are converted in a thread, between the upstream's pump and the client.

One piece is converted at a time, which keeps the order and uses one thread for each stream.  The
upstream is paused while too many bytes wait, or the client does not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.audio import IConverter
from antigravity.interfaces.exchange import IInterruptibleStream, IReplyStream
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger

#: Calls a function in a thread, and returns a Deferred that fires with the result.
InThread = Callable[..., Deferred[Any]]

#: Bytes that may wait for the thread before the upstream is paused.
BACKLOG: Final = 256 * 1024
#: Bytes that are converted at a time.
PIECE: Final = 512 * 1024


@implementer(IInterruptibleStream, IConsumer, IPushProducer)
class ConvertedStream:
    """Writes the bytes of ``source`` converted by ``converter``."""

    log = make_logger()

    def __init__(self, source: IReplyStream, converter: IConverter, in_thread: InThread) -> None:
        self._source = source
        self._converter = converter
        self._in_thread = in_thread
        self._consumer: IConsumer | None = None
        self._written: Deferred[None] | None = None
        self._upstream: Any = None
        self._waiting = bytearray()
        self._working = False
        self._paused = False
        self._holding = False
        self._ended = False
        self._finishing = False
        self._error: BaseException | None = None

    # -- the client's side --------------------------------------------------------------

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._written = written
        self._consumer = consumer
        consumer.registerProducer(self, True)
        source = self._source.start(self)
        source.addCallbacks(self._source_ended, self._source_broke)
        return written

    def abandon(self) -> None:
        """Stop the upstream, and write nothing more; the result of a running thread is dropped."""
        self._consumer = None
        self._waiting.clear()
        self._source.abandon()

    def interrupt(self, error: GatewayError) -> None:
        """Stop the upstream, and end the stream with ``error``."""
        source: Any = IInterruptibleStream(self._source, None)
        if source is not None:
            source.interrupt(error)

    def pauseProducing(self) -> None:
        """Hold all output: the client's buffers are full."""
        self._paused = True
        self._hold()

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._work()

    def stopProducing(self) -> None:
        """Stop for good: the client has disconnected."""
        self.abandon()

    # -- the upstream's side ------------------------------------------------------------

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Register the upstream."""
        self._upstream = producer

    def unregisterProducer(self) -> None:
        """Forget the upstream."""
        self._upstream = None

    def write(self, data: bytes) -> None:
        """Convert bytes."""
        if self._consumer is not None:
            self._waiting += data
            self._work()

    def _source_ended(self, _: None) -> None:
        self._ended = True
        self._work()

    def _source_broke(self, failure: Failure) -> None:
        self._ended = True
        self._error = failure.value
        self._waiting.clear()
        self._work()

    # -- the work -----------------------------------------------------------------------

    def _work(self) -> None:
        """Convert waiting bytes, unless a thread is running or the client does not read."""
        if self._consumer is not None and not self._working and not self._paused:
            if self._waiting:
                piece = bytes(self._waiting[:PIECE])
                del self._waiting[:PIECE]
                self._do(self._converter.convert, piece)
            elif self._error is not None:
                self._broken(self._error)
            elif self._finishing:
                self._complete(None)
            elif self._ended:
                self._finishing = True
                self._do(self._converter.finish)
        self._hold()

    def _do(self, function: Callable[..., bytes], *arguments: bytes) -> None:
        self._working = True
        done = self._in_thread(function, *arguments)
        done.addCallbacks(self._worked, self._failed)

    def _worked(self, out: bytes) -> None:
        self._working = False
        if self._consumer is not None and out and self._error is None:
            self._consumer.write(out)
        self._work()

    def _failed(self, failure: Failure) -> None:
        self._working = False
        self.log.failure("a stream could not be converted", failure=failure)
        self._waiting.clear()
        self._error = GatewayError("The gateway could not convert the audio; its log says why.")
        self._source.abandon()
        self._work()

    def _hold(self) -> None:
        """Pause or resume the upstream as needed."""
        hold = self._paused or len(self._waiting) > BACKLOG
        if hold is self._holding or self._upstream is None:
            return
        self._holding = hold
        if hold:
            self._upstream.pauseProducing()
        else:
            self._upstream.resumeProducing()

    def _broken(self, error: BaseException) -> None:
        """End a stream that failed, with an error if the converter can write one."""
        last = self._converter.failed(error) if isinstance(error, GatewayError) else b""
        if last and self._consumer is not None:
            self._consumer.write(last)
        self._complete(None if last else error)

    def _complete(self, error: BaseException | None) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        written, self._written = self._written, None
        if written is None or written.called:
            return
        if error is None:
            written.callback(None)
        else:
            written.errback(error)
