"""Hands a request's body to the connection at the speed at which that takes it."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

#: Smaller bodies are written in one go; larger ones in pieces of this size.
PIECE: Final = 256 * 1024


@implementer(IBodyProducer)
class BytesProducer:
    """Produces ``body``; unlike Twisted's ``FileBodyProducer`` it needs no clock."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body
        self._offset = 0
        self._paused = False
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Return a Deferred that fires when all is written."""
        if self.length <= PIECE:
            consumer.write(self._body)
            return succeed(None)
        self._consumer = consumer
        done: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._done = done
        self._write()
        return done

    def _write(self) -> None:
        while self._consumer is not None and not self._paused:
            start = self._offset
            self._offset = start + PIECE
            self._consumer.write(self._body[start : self._offset])
            if self._offset >= self.length:
                self._consumer = None
                done, self._done = self._done, None
                if done is not None:
                    done.callback(None)

    def pauseProducing(self) -> None:
        """Stop writing until :meth:`resumeProducing`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Write on."""
        self._paused = False
        self._write()

    def stopProducing(self) -> None:
        """Write nothing more."""
        self._consumer = None
