"""Observes the messages of one request: a transport, and a stream for the client, that record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.exchange.capture.body import BodyCapture
from antigravity.interfaces.exchange import IReplyStream
from antigravity.interfaces.payloads import RawBody
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest

#: Called with a request that is sent; returns what is called with the head of its response, and
#: returns what collects its body.
Sent = Callable[[OutgoingRequest], Callable[[int, Mapping[str, str]], "Collected"]]


class Collected:
    """Collects a body, and hands it over once, when it has ended."""

    __slots__ = ("_capture", "_ended")

    def __init__(self, capture: BodyCapture, ended: Callable[[RawBody], None]) -> None:
        self._capture = capture
        self._ended: Callable[[RawBody], None] | None = ended

    def add(self, data: bytes) -> None:
        """Take the next piece of the body."""
        if self._ended is not None:
            self._capture.add(data)

    def end(self) -> None:
        """Hand over what was collected; later calls change nothing."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._capture.body())


@implementer(IHttpTransport)
class RecordingTransport:
    """Sends requests with ``inner``, and reports them and their responses."""

    def __init__(self, inner: IHttpTransport, sent: Sent) -> None:
        self._inner = inner
        self._sent = sent

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Send a request; see :class:`IHttpTransport`."""
        began = self._sent(request)
        sending: Deferred[Any] = self._inner.send(request)
        return sending.addCallback(lambda response: RecordedResponse(response, began))

    def close(self) -> Deferred[None]:
        """Close the connections of ``inner``."""
        closing: Deferred[None] = self._inner.close()
        return closing


@implementer(IIncomingResponse)
class RecordedResponse:
    """A response whose body is recorded while it is read."""

    def __init__(
        self,
        inner: IIncomingResponse,
        began: Callable[[int, Mapping[str, str]], Collected],
    ) -> None:
        self._inner = inner
        self._collected = began(inner.status(), inner.headers())
        self.status = inner.status
        self.headers = inner.headers

    def values(self, name: str) -> Sequence[str]:
        """Return all values of a header."""
        found: Sequence[str] = self._inner.values(name)
        return found

    def deliver(self, protocol: IProtocol) -> None:
        """Deliver the body to ``protocol``."""
        self._inner.deliver(_Tap(protocol, self._collected))

    def collect(self, limit: int) -> Deferred[bytes]:
        """Return a Deferred that fires with the body."""
        collecting: Deferred[bytes] = self._inner.collect(limit)
        return collecting.addCallbacks(self._whole, self._failed)

    def abort(self) -> None:
        """Close the connection without reading the body."""
        self._collected.end()
        self._inner.abort()

    def _whole(self, body: bytes) -> bytes:
        self._collected.add(body)
        self._collected.end()
        return body

    def _failed(self, failure: Failure) -> Failure:
        self._collected.end()
        return failure


@implementer(IProtocol)
class _Tap:
    """Passes on what a connection delivers."""

    def __init__(self, inner: Any, collected: Collected) -> None:
        self._inner = inner
        self._collected = collected
        self._receive = inner.dataReceived

    def makeConnection(self, transport: Any) -> None:
        self._inner.makeConnection(transport)

    def connectionMade(self) -> None:
        """Do nothing: :meth:`makeConnection` has reported it."""

    def dataReceived(self, data: bytes) -> None:
        self._collected.add(data)
        self._receive(data)

    def connectionLost(self, reason: Failure) -> None:
        self._collected.end()
        self._inner.connectionLost(reason)


@implementer(IReplyStream)
class RecordedStream:
    """A stream that is recorded while it is written."""

    def __init__(self, inner: IReplyStream, collected: Collected) -> None:
        self._inner = inner
        self._collected = collected

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = self._inner.start(_RecordingConsumer(consumer, self._collected))
        return written.addBoth(self._end)

    def abandon(self) -> None:
        """Write nothing more."""
        self._inner.abandon()
        self._collected.end()

    def _end(self, result: Any) -> Any:
        self._collected.end()
        return result


@implementer(IConsumer)
class _RecordingConsumer:
    def __init__(self, inner: IConsumer, collected: Collected) -> None:
        self._write = inner.write
        self._collected = collected
        self.registerProducer = inner.registerProducer
        self.unregisterProducer = inner.unregisterProducer

    def write(self, data: bytes) -> None:
        self._collected.add(data)
        self._write(data)
