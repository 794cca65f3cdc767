"""One client's connection: HTTP/1.1 with strict framing and limits on size and time."""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IProtocol, IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.ir.errors import GatewayError
from antigravity.web.connection.body_length import body_length
from antigravity.web.connection.body_receiver import BodyReceiver
from antigravity.web.connection.deadline import Deadline
from antigravity.web.connection.head_parser import HeadReader
from antigravity.web.connection.proxy_protocol import add_client, has_proxy_protocol
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.connection.response_producer import ResponseProducer
from antigravity.web.connection.successor import ISuccessor
from antigravity.web.connection.waiting_input import WaitingInput
from antigravity.web.errors import RequestTimeoutError
from antigravity.web.key_throttle import TooManyWrongKeysError

if TYPE_CHECKING:
    from antigravity.web.site import GatewaySite

#: Seconds for which a refused client may go on sending before the connection is aborted.  An
#: immediate close would reset it, and the client might never read the response.
_LINGER: Final = 5.0
#: Seconds after which a client is cut off that does not read what has been written to it.  Slow
#: lines need some time for a response with an image.
_STALLED: Final = 900.0


@implementer(IPushProducer)
class ClientConnection(Protocol):
    """The requests of one client, one after the other.

    A message whose end is in doubt is refused and the connection closed (RFC 9112, 6.3).
    The head must be complete within ``body_timeout`` of its first byte; the body must make
    progress; an idle connection is closed after ``idle_timeout``.  There is no limit while a
    request is processed, except that the client must read what is written within 15 minutes.

    Bytes of further requests wait while one is processed; if there are many of them, or if the
    client does not read its responses, nothing more is read.

    :ivar request: the request that is received or processed.
    :ivar is_busy: whether it is processed.
    :ivar is_congested: whether the client does not read fast enough.
    :ivar refused: whether a request was refused: nothing more is read.
    :ivar peer: the client's address, ``None`` if it has none (a Unix socket).
    """

    transport: Any

    def __init__(self, site: GatewaySite) -> None:
        self.site = site
        self.request: GatewayRequest | None = None
        self.is_busy = self.is_congested = self.refused = False
        self.peer: str | None = None
        self._is_secure = self._has_proxy_protocol = False
        self._is_persistent = True
        self._closing = self._ignores_input = False
        self._successor: Any = None  # an IProtocol
        # receiving
        self._reader = HeadReader()
        self._receiving = False
        self._body: BodyReceiver | None = None
        # time
        self._deadline = Deadline(site.reactor, self._expired)
        self._delayed_refusal: Any = None
        self._next_request: Any = None
        # sending
        self._producer = ResponseProducer(site.cooperator)

    def connectionMade(self) -> None:
        """Wait for a request."""
        transport = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        address = transport.getPeer()
        self.peer = address.host if isinstance(address, (IPv4Address, IPv6Address)) else None
        self._is_secure = ISSLTransport.providedBy(transport)
        self._has_proxy_protocol = has_proxy_protocol(transport)
        self._waiting = WaitingInput(transport)
        transport.registerProducer(self, True)
        self.site.add(self)
        self._update_deadline()

    # -- time --

    def _update_deadline(self) -> None:
        """Set the deadline of the current state."""
        if self.refused or self._closing:
            return
        if self.is_busy or (self.is_congested and not self._receiving):
            self._receiving = False
            if self.is_congested:
                self._deadline.set(_STALLED)
            else:
                self._deadline.clear()
        elif self._body is not None or self._reader.has_input:
            if not self._receiving:
                self._receiving = True
                self._deadline.set(self.site.admission.limits.body_timeout)
        else:
            self._receiving = False
            self._deadline.set(self.site.admission.limits.idle_timeout)

    def _expired(self) -> None:
        limits = self.site.admission.limits
        if self._closing or (self.is_congested and not self._receiving):
            self.transport.abortConnection()
        elif not self._receiving:
            self.loseConnection()
        elif self._body is not None and self._body.has_progressed(limits.body_timeout):
            self._deadline.set(limits.body_timeout)
        else:
            what = "head" if self._body is None else "body"
            self.refuse(RequestTimeoutError(f"The request's {what} did not arrive in time."))

    # -- receiving --

    def dataReceived(self, data: bytes) -> None:
        """Receive bytes from the client."""
        if self._successor is not None:
            self._successor.dataReceived(data)
            return
        if self._ignores_input:
            return
        if self.is_busy or self.is_congested or self._next_request is not None:
            self._waiting.add(data)
            return
        try:
            if self._body is None:
                self._receive_head(data)
            else:
                self._receive_body(self._body, data)
        except GatewayError as error:
            self.refuse(error)
        except Exception:  # a fault of ours, which the caller logs
            self.transport.abortConnection()
            raise
        else:
            if self.request is not None or self._reader.has_input:  # else it is set already
                self._update_deadline()

    def _receive_head(self, data: bytes) -> None:
        """Receive bytes of a head; the body is read only if the request is admitted.

        :raises GatewayError: if the request is refused.
        """
        found = self._reader.feed(data)
        if found is None:
            return
        parsed, rest = found
        if self._has_proxy_protocol:
            add_client(parsed, self.transport)
        self.request = request = GatewayRequest(self, parsed)
        self._begin(request, rest)

    def _begin(self, request: GatewayRequest, rest: bytes) -> None:
        """Begin with a request whose head is complete; ``rest`` are the bytes behind it.

        :raises GatewayError: if the request is refused.
        """
        head = request.head
        self._is_persistent = head.keeps_open and not self.site.is_closing
        if not self._is_persistent and head.version == "HTTP/1.1":
            request.set_headers((("Connection", "close"),))
        length = body_length(head, self.site.admission.limits.max_body_bytes)
        if length == 0:
            self._process(request, rest)
            return
        request.admit_body(length)
        if length is not None and len(rest) >= length:
            request.feed_whole(rest[:length])
            self._process(request, rest[length:])
            return
        self._body = body = BodyReceiver(self.transport, request.feed, length)
        self._receiving = True
        self._deadline.set(self.site.admission.limits.body_timeout)
        expect = head.framing.get("expect")
        if expect and expect[0].lower() == "100-continue" and head.version == "HTTP/1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if rest:
            self._receive_body(body, rest)

    def _receive_body(self, body: BodyReceiver, data: bytes) -> None:
        """Receive bytes of the body.

        :raises GatewayError: if the request is refused.
        """
        rest = body.feed(data)
        if rest is not None:
            self._body = None
            assert self.request is not None
            self._process(self.request, rest)

    def _process(self, request: GatewayRequest, rest: bytes) -> None:
        """Process a request that is complete; ``rest`` are the bytes behind it."""
        self.is_busy = True
        if rest:
            self._waiting.add(rest)
        request.process()

    # -- the end of a request --

    def request_done(self) -> None:
        """Start the next request; if it has arrived, in the next reactor turn."""
        if self._waiting and self._is_persistent:
            self._next_request = self.site.reactor.callLater(0, self._start_next)
        else:
            self._start_next()

    def announce_close(self, request: GatewayRequest) -> None:
        """Close the connection after a response that has not begun, and say so in its head."""
        if self._is_persistent:
            self._is_persistent = False
            if request.head.version == "HTTP/1.1":
                request.set_headers((("Connection", "close"),))

    def _start_next(self) -> None:
        self._next_request = self.request = None
        self.is_busy = False
        if self.site.is_closing and not self.site.lingers:
            self._is_persistent = False
        if not self._is_persistent:
            self._waiting.take()
            self._read_again()
            self.loseConnection()
        elif self.is_congested:
            self._waiting.pause()
        else:
            self._read_on()
        self._update_deadline()
        self.site.note_idle()

    def _read_on(self) -> None:
        """Receive what has waited, and what follows, unless the client must read first."""
        self._next_request = None
        if not (self.is_busy or self.is_congested):
            self._read_again()
            data = self._waiting.take()
            if data:
                self.dataReceived(data)

    def _read_again(self) -> None:
        if not self.is_congested:
            self._waiting.resume()

    # -- sending --

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace rule ``producer``, that of the current response.

        :param streaming: whether it writes unasked.
        """
        self._producer.register(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer of the response."""
        self._producer.unregister()

    def pauseProducing(self) -> None:
        """Stop writing and reading: the client does not read fast enough."""
        self.is_congested = True
        self._update_deadline()
        self._producer.pause()
        if not self.is_busy:
            self._waiting.pause()

    def resumeProducing(self) -> None:
        """Go on with what :meth:`pauseProducing` stopped."""
        self.is_congested = False
        self._update_deadline()
        self._producer.resume()
        if self.is_busy or self._next_request is not None:
            return
        if self._waiting:
            self._next_request = self.site.reactor.callLater(0, self._read_on)
        else:
            self._read_again()

    def stopProducing(self) -> None:
        """Stop the response: the client is gone."""
        self._producer.stop()

    # -- refusing and closing --

    def refuse(self, error: GatewayError) -> None:
        """Respond with ``error``, read no further, and close the connection."""
        if self.refused:
            return
        self.refused = self._ignores_input = True
        self._is_persistent = False
        request = self.request
        is_parsed = request is not None
        if request is None:
            request = self.request = GatewayRequest(self, self._reader.partial)
        request.set_headers((("Connection", "close"),))
        if is_parsed:
            head, clock = request.head, self.site.reactor
            if head.admitted:  # the body is too large, or does not arrive
                self.site.admission.count_refusal(error)
            error, delay = self.site.admission.key_throttle.throttle(
                error, head.client, clock.seconds()
            )
            head.quiet = isinstance(error, TooManyWrongKeysError)
            if delay:
                self._deadline.clear()
                self._delayed_refusal = clock.callLater(delay, request.respond_with, error)
                return
        request.respond_with(error)

    def loseConnection(self) -> None:
        """Close the connection once all is written; a refused client may send for a while."""
        self._cancel_refusal()
        self._ignores_input = True
        if not self.refused:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
        elif not self._closing:
            self._closing = True
            self.transport.unregisterProducer()
            if ITCPTransport.providedBy(self.transport) and not self._is_secure:
                self.transport.loseWriteConnection()
            self._deadline.set(_LINGER)

    def _cancel_refusal(self) -> None:
        """Cancel a delayed response."""
        delayed, self._delayed_refusal = self._delayed_refusal, None
        if delayed is not None and delayed.active():
            delayed.cancel()

    def cancel_unstarted_response(self) -> None:
        """Fail the current request, unless its response has begun."""
        if ISuccessor.providedBy(self._successor):
            self._successor.cancel_unstarted()
        request = self.request
        if request is not None and request.running is not None and not request.startedWriting:
            request.running.cancel()

    def close_if_idle(self) -> None:
        """Close the connection if no request is received or processed."""
        if ISuccessor.providedBy(self._successor):
            self._successor.close_if_idle()
            return
        is_idle = not (self._receiving or self.is_busy or self.refused or self._closing)
        if is_idle and self._successor is None:
            self.loseConnection()

    def close(self) -> None:
        """Close the connection; bytes already written are still sent, but responses are cut off."""
        if ISuccessor.providedBy(self._successor):
            self._successor.close_now()
        elif self.is_busy or self._successor is not None:
            self.transport.abortConnection()
        elif not self._closing:
            self._closing = True
            self.loseConnection()
            self._deadline.set(_LINGER)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel all timers, and the current request."""
        self._cancel_refusal()
        self._deadline.stop()
        if self._next_request is not None:
            self._next_request.cancel()
            self._next_request = None
            if self.is_busy:
                self.request = None  # its response is complete
        request, self.request = self.request, None
        if request is not None:
            request.connectionLost(reason)
        if self._successor is not None:
            self._successor.connectionLost(reason)
        self.site.remove(self)

    # -- other protocols --

    def hand_over(self, protocol: IProtocol) -> None:
        """Give the transport, and what was received after the current request, to ``protocol``.

        The response that agrees to the change of protocols must have been written.  From then on
        this connection only passes on what the transport reports; an :class:`ISuccessor` also takes
        part in the shutdown.
        """
        self._successor = protocol
        self.request = None
        self.is_busy = False
        self._deadline.stop()
        self.transport.unregisterProducer()
        self._waiting.resume()
        protocol.makeConnection(self.transport)
        data = self._waiting.take()
        if data:
            protocol.dataReceived(data)

    # -- what requests of Twisted ask --

    def isSecure(self) -> bool:
        """Return whether the connection is encrypted."""
        return self._is_secure
