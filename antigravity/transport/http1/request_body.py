"""The body of a large request on its way to the connection."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.interfaces import IPushProducer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from antigravity.transport.body_producer import BodyProducer

#: Bytes that are sent in one turn of the event loop, if the system accepts as many.
_TURN_LIMIT: Final = 1024 * 1024


@implementer(IPushProducer)
class RequestBody:
    """The consumer of a producer's data, and the producer that a transport pauses.

    Over plain TCP it gives data to the system without a copy.  What the system does not accept is
    buffered by the transport, which pauses the producer and resumes it when all is sent.

    :ivar is_buffered: whether the transport may have data that is not sent.
    """

    def __init__(self, transport: Any, producer: IBodyProducer, *, is_buffered: bool) -> None:
        self._transport = transport
        self._producer = producer
        self._is_direct = isinstance(transport, tcp.Connection)
        self.is_buffered = is_buffered
        self._left = _TURN_LIMIT
        if isinstance(producer, BodyProducer):
            producer.gives_views = self._is_direct

    def write(self, data: bytes | memoryview) -> None:
        """Send data, or let the transport send it."""
        if self._is_direct and not self.is_buffered:
            data = memoryview(data)
            while len(data) and self._left > 0:
                count = self._transport.writeSomeData(data)
                if not isinstance(count, int) or count <= 0:
                    break  # full, or lost: the transport meets the error again
                data = data[count:]
                self._left -= count
        if len(data):
            self.is_buffered = True
            self._transport.write(bytes(data))

    def pauseProducing(self) -> None:
        """Wait: the transport has enough."""
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Continue: the transport has sent everything."""
        self.is_buffered = False
        self._left = _TURN_LIMIT
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Stop: the connection is lost."""
        self._producer.stopProducing()
