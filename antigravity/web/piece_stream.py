"""Streams what is made piece by piece, at the pace of the client."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.exchange import IReplyStream
from antigravity.ir.errors import GatewayError, UpstreamError


@implementer(IReplyStream, IPushProducer)
class PieceStream:
    """A response whose pieces ``next_piece`` returns; the last one is empty.

    The next piece is asked for when the one before is written and the client reads.  If one cannot
    be made, the connection is closed, so that the response does not look complete.

    :param first: the first piece.
    """

    def __init__(self, next_piece: Callable[[], Deferred[bytes]], first: bytes) -> None:
        self._next_piece = next_piece
        self._piece: bytes | None = first
        self._consumer: IConsumer | None = None
        self._written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._is_paused = self._is_asking = self._is_running = False

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        self._consumer = consumer
        consumer.registerProducer(self, True)
        self._go_on()
        return self._written

    def abandon(self) -> None:
        """Write nothing more."""
        self._consumer = self._piece = None

    def pauseProducing(self) -> None:
        """Ask for nothing more: the client's buffers are full."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._is_paused = False
        self._go_on()

    def stopProducing(self) -> None:
        """Stop for good: the client has disconnected."""
        self.abandon()
        if not self._written.called:
            self._written.callback(None)

    def _go_on(self) -> None:
        if self._is_running:  # a piece was there at once
            return
        self._is_running = True
        try:
            self._write_pieces()
        finally:
            self._is_running = False

    def _write_pieces(self) -> None:
        while self._consumer is not None and not self._is_paused and not self._is_asking:
            piece, self._piece = self._piece, None
            if piece is None:
                self._is_asking = True
                self._next_piece().addCallbacks(self._made, self._failed)
            elif piece:
                self._consumer.write(piece)
            else:
                self._end(None)

    def _made(self, piece: bytes) -> None:
        self._is_asking = False
        self._piece = piece
        self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._is_asking = False
        error = failure.value
        if not isinstance(error, GatewayError):
            error = UpstreamError(f"The stream failed: {type(error).__name__}.")
        self._end(error)

    def _end(self, error: GatewayError | None) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        consumer.unregisterProducer()
        if error is None:
            self._written.callback(None)
        else:
            self._written.errback(error)
