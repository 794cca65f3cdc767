"""One connection to a server, which sends one request at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.iweb import IBodyProducer, IResponse

from antigravity.transport.body_producer import BodyProducer
from antigravity.transport.failures import failure_of
from antigravity.transport.handshake import Handshake
from antigravity.transport.http1.request_body import RequestBody
from antigravity.transport.http1.response import Response
from antigravity.transport.http1.response_parser import ResponseParser

#: Larger requests are not sent in one call of the system.
_SENT_AT_ONCE: Final = 64 * 1024


class ClientConnection(Handshake, Protocol):
    """A connection.  It is idle, or has one request from :meth:`send` to the end of its response.

    ``idle`` is called when it can serve another request, and ``lost`` when it is lost while idle
    or in use.

    :ivar key: what the connection leads to, for the pool.
    :ivar idle_since: the time since when it has been idle, set by the pool.
    """

    idle_since = 0.0

    def __init__(
        self,
        key: Any,
        idle: Callable[[ClientConnection], None],
        lost: Callable[[ClientConnection], None],
    ) -> None:
        self.key = key
        self._idle = idle
        self._lost = lost
        self._parser = ResponseParser()
        self._is_busy = False
        self._is_aborted = False
        self._is_paused = False
        #: Whether the transport may have data that is not sent.
        self._is_buffered = False
        self._waiting: Deferred[IResponse] | None = None
        self._response: Response | None = None
        #: The producer of a body that is still being sent.
        self._producer: IBodyProducer | None = None
        #: Fires when the connection is lost, if :meth:`close` was called.
        self._closed: Deferred[None] | None = None

    # One request.

    def send(
        self, method: bytes, head: bytes, producer: IBodyProducer | None
    ) -> Deferred[IResponse]:
        """Send a request; return a Deferred that fires with its response.

        It fails with the reason why the connection was lost; a ``ResponseFailed`` if a part of
        the response was received.  Cancelling it aborts the connection.
        """
        assert not self._is_busy
        waiting: Deferred[IResponse] = Deferred(self._cancel)
        if self.is_lost or self._is_aborted:
            waiting.errback(ConnectionAborted())
            return waiting
        self._is_busy = True
        self._waiting = waiting
        self._parser.start(method)
        if producer is None:
            self._write(head)
        elif isinstance(producer, BodyProducer) and producer.is_small:
            self._write(head + producer.read())
        else:
            self._send_body(head, producer)
        return waiting

    def _write(self, data: bytes) -> None:
        """Send a whole request.

        Twisted waits until the system reports that a socket can be written to, and then stops
        waiting.  A connection that has nothing else to send almost always can be written to, so
        it is tried first.  Once something had to wait, Twisted sends everything, in order.
        """
        transport: Any = self.transport
        sent = 0
        if (
            not self._is_buffered
            and len(data) <= _SENT_AT_ONCE
            and isinstance(transport, tcp.Connection)
        ):
            count = transport.writeSomeData(data)
            if isinstance(count, int) and count > 0:
                sent = count
        if sent < len(data):
            self._is_buffered = True
            transport.write(data[sent:])

    def _send_body(self, head: bytes, producer: IBodyProducer) -> None:
        """Send a body at the speed of the connection."""
        transport: Any = self.transport
        self._producer = producer
        self._write(head)
        body = RequestBody(transport, producer, is_buffered=self._is_buffered)
        transport.registerProducer(body, True)
        sending: Deferred[None] = producer.startProducing(body)
        sending.addCallbacks(
            self._sent, self._not_sent, callbackArgs=(body,), errbackArgs=(producer,)
        )

    def _sent(self, _: object, body: RequestBody) -> None:
        if self._producer is not None:
            self._producer = None
            self._is_buffered = body.is_buffered
            self.transport.unregisterProducer()

    def _not_sent(self, reason: Failure, producer: IBodyProducer) -> None:
        """Abort: the body cannot be produced."""
        if self._producer is producer:
            self._producer = None
            self.transport.unregisterProducer()
            self._fail(reason)

    def _stop_sending(self) -> None:
        """Stop a body that is being sent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self.transport.unregisterProducer()
            producer.stopProducing()

    def _cancel(self, _: object) -> None:
        self._waiting = None
        self.abort()

    @property
    def is_usable(self) -> bool:
        """Whether the connection is open and can serve a request."""
        return not (self._is_busy or self._is_aborted or self.is_lost)

    def abort(self) -> None:
        """Close the connection now; what is sent and received is lost.

        If the reader of a response that has just been received completely stops, nothing is lost,
        and the connection goes back to the pool.
        """
        parser = self._parser
        if self._is_busy and parser.ended and parser.error is None and self._producer is None:
            return  # the end of the response follows
        self._is_aborted = True
        self._stop_sending()
        self.transport.abortConnection()

    # The response.

    def dataReceived(self, data: bytes) -> None:
        """Parse data; the parts of a body are delivered in one piece."""
        if not self._is_busy or self._is_aborted:
            if not self._is_aborted:
                self.abort()  # a response that no request has
            return
        parser = self._parser
        body = parser.feed(data)
        response = self._response
        if response is None:
            if parser.head is not None:
                self._begin(body)
            elif parser.ended:
                self._fail(_failed(parser.error))
            return
        if body:
            reader = response.reader
            if reader is None:
                response.hold(body)
            else:
                reader.dataReceived(body)
        if parser.ended and self._response is response:
            self._end(response)

    def _begin(self, body: bytes) -> None:
        """Deliver the response with the beginning of its body.

        If it is complete, the connection is free before the response is delivered.
        """
        parser = self._parser
        assert parser.head is not None
        self._response = response = Response(parser.head, self)
        waiting, self._waiting = self._waiting, None
        if body:
            response.hold(body)
        if parser.ended:
            self._end(response)
        assert waiting is not None
        waiting.callback(response)
        if response.reader is None and self._response is response:
            self.pause_reading()

    def _end(self, response: Response) -> None:
        """End the response and, if nothing is left of the exchange, go back to the pool."""
        parser = self._parser
        if parser.error is not None:
            self.abort()
            self._finish(response, _failed(parser.error))
        elif self._producer is not None:
            self.abort()  # the server has decided without the rest, and may not read it
            self._finish(response, None)
        else:
            self._is_busy = False
            self._response = None
            if parser.keep_alive and not self._is_aborted:
                self.resume_reading()
                self._idle(self)
            else:
                self.close_soon()
            response.finish(None)

    def _finish(self, response: Response, reason: Failure | None) -> None:
        self._is_busy = False
        self._response = None
        response.finish(reason)

    def _fail(self, reason: Failure) -> None:
        """Fail the request, and abort the connection."""
        waiting, self._waiting = self._waiting, None
        response = self._response
        self.abort()
        if waiting is not None:
            self._is_busy = False
            waiting.errback(reason)
        elif response is not None:
            self._finish(response, reason)

    def pause_reading(self) -> None:
        """Stop reading, for the reader of the response."""
        if not self._is_paused and not self._is_aborted:
            self._is_paused = True
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again."""
        if self._is_paused and not self._is_aborted:
            self._is_paused = False
            self.transport.resumeProducing()

    # The end.

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the response; only one without a length may end like this."""
        self.handshake_lost(reason)
        self._stop_sending()
        self._lost(self)
        closed, self._closed = self._closed, None
        waiting, self._waiting = self._waiting, None
        response = self._response
        if waiting is not None:
            self._is_busy = False
            begun = self._parser.has_begun
            waiting.errback(failure_of(ResponseFailed([reason])) if begun else reason)
        elif response is not None:
            head = self._parser.head
            is_complete = (
                head is not None
                and head.until_close
                and not self._is_aborted
                and reason.check(ConnectionDone)
            )
            self._finish(response, None if is_complete else reason)
        self._parser.close()
        if closed is not None:
            closed.callback(None)

    def close(self) -> Deferred[None]:
        """Close an idle connection; return a Deferred that fires when it is lost."""
        closed: Deferred[None] = Deferred()
        if self.is_lost:
            closed.callback(None)
        else:
            self._closed = closed
            self.close_soon()
        return closed

    def close_soon(self) -> None:
        """Close the connection without waiting for the server, which may never agree to it."""
        if self._is_aborted:
            return
        if self.is_secure:
            self.abort()
        else:
            self._is_aborted = True  # nothing more is read
            self.transport.loseConnection()


def _failed(error: Exception | None) -> Failure:
    assert error is not None
    return failure_of(ResponseFailed([failure_of(error)]))
