"""A producer that writes the body of a request at the speed of the connection."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from antigravity.ir.call import Body

#: Smaller bodies are written in one go; larger ones in pieces of this size.
PIECE: Final = 256 * 1024


@implementer(IBodyProducer)
class BodyProducer:
    """A producer of ``body``; unlike Twisted's ``FileBodyProducer`` it needs no clock.

    :ivar gives_views: whether the consumer accepts views, so that no piece is copied.
    """

    gives_views = False

    def __init__(self, body: Body) -> None:
        pieces = (body,) if isinstance(body, bytes) else body
        self.length = sum(map(len, pieces))
        self._pieces: deque[bytes | memoryview] = deque(pieces)
        self._paused = self._is_stopped = False
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None

    @property
    def is_small(self) -> bool:
        """Whether the body is written in one go."""
        return self.length <= PIECE

    def read(self) -> bytes:
        """Return the whole body, which is then not produced."""
        body = b"".join(self._pieces)  # a single piece is not copied
        self._pieces.clear()
        return body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Return a Deferred that fires when the whole body is written.

        It never fires if the producer was stopped before: the connection was lost by then.
        """
        if self.is_small:
            consumer.write(self.read())
            return succeed(None)
        self._consumer = consumer
        done: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._done = done
        if self._is_stopped:
            self.stopProducing()
        else:
            self._write()
        return done

    def _write(self) -> None:
        while self._consumer is not None and not self._paused:
            piece = self._pieces.popleft()
            if len(piece) > PIECE:
                view = memoryview(piece)
                self._pieces.appendleft(view[PIECE:])
                piece = view[:PIECE]
            self._consumer.write(piece if self.gives_views else bytes(piece))  # type: ignore[arg-type]
            if not self._pieces:
                self._consumer = None
                done, self._done = self._done, None
                if done is not None:
                    done.callback(None)

    def pauseProducing(self) -> None:
        """Stop writing until :meth:`resumeProducing`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Continue to write."""
        self._paused = False
        self._write()

    def stopProducing(self) -> None:
        """Stop writing for good."""
        self._is_stopped = True
        self._pieces.clear()
        self._consumer = self._done = None
