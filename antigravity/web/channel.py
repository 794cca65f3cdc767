"""One client's connection: HTTP/1.1 with strict framing and limits on size and time."""

# ruff: noqa: N802, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import string
from typing import Any

from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.web.errors import HeadersTooLargeError, RequestTimeoutError
from antigravity.web.key_throttle import TooManyWrongKeysError
from antigravity.web.request import GatewayRequest
from antigravity.web.request_body import too_large

#: How long a refused client may go on sending before the connection is cut.  Closing at once
#: would reset it, and the client might never see the answer.
_LINGER = 5.0
#: A body that is slower than this is stuck, in bytes a second.
_SLOWEST = 1024
#: So many bytes of a chunked body are read at a time.
_CHUNKED_READ = 8 * 1024
#: More digits than this are no length.
_LONGEST_LENGTH = 15
#: What a request may begin with: the characters of a token (RFC 9110, 5.6.2).
_STARTS = frozenset(b"!#$%&'*+-.^_`|~" + (string.ascii_letters + string.digits).encode())
_RETURN = 0x0D
#: How the first record of TLS begins, and the hello of SSL 2.
_TLS_STARTS = frozenset({0x16, 0x80})
_SPEAK_PLAIN = (
    "This port serves plain HTTP, not TLS: write http:// instead of https:// in the address."
)
_END_LINES = "The lines of a request must end with a carriage return and a line feed."
_SPEAK_HTTP = "This port serves HTTP, and this is not an HTTP request."
#: So many empty lines may come before requests, on a connection.
_MOST_EMPTY_LINES = 16
_FRAMING = frozenset({b"Content-Length", b"Transfer-Encoding"})
#: Header names as they come, which Twisted found to be valid, and as it writes them.
_names: dict[bytes, bytes] = {}
_MOST_NAMES = 1024


def _ignore(data: bytes) -> None:
    """Take what a refused client still sends."""


class GatewayChannel(HTTPChannel):
    """``twisted.web``'s channel, stricter.

    A message whose end is in doubt is refused and the connection closed (RFC 9112, 6.3).
    The head must be there within ``body_timeout`` of its first byte; the body must keep
    coming; an idle connection is closed after ``idle_timeout``.  While a request is worked
    on, time does not matter here.

    One timer serves the connection for all its life: deadlines move, and the timer is set
    anew when it fires too early.
    """

    maxHeaders = 200
    totalHeadersSize = 64 * 1024
    MAX_LENGTH = 64 * 1024
    timeOut = None  # Twisted's own timer: a byte now and then defeats it

    site: Any
    transport: Any
    _networkProducer: Any

    def __init__(self) -> None:
        super().__init__()
        self._refused = False
        self._leaving = False
        self._receiving = False
        self._framed = False
        self._deadline: float | None = None
        self._timer: Any = None
        self._body_seen = 0
        self._buffered = 0
        self._empty_lines = 0
        self._late: Any = None
        self._next: Any = None

    @property
    def is_congested(self) -> bool:
        """Whether the client does not read fast enough."""
        return self._waitingForTransport

    # -- time --

    def connectionMade(self) -> None:
        """Wait for a request, but not for ever."""
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)
        self.site.channels.add(self)
        self._reckon()

    def _expect_within(self, seconds: float) -> None:
        """LeaseRequest the next step within ``seconds``; 0 is no limit."""
        if not seconds:
            self._deadline = None
            return
        self._deadline = self.site.reactor.seconds() + seconds
        if self._timer is None:
            self._timer = self.site.reactor.callLater(seconds, self._time_is_up)
        elif self._timer.getTime() > self._deadline:
            self._timer.reset(seconds)

    def _reckon(self) -> None:
        """Set the deadline for what is waited for now."""
        if self._refused or self._leaving:
            return
        if self._handlingRequest:
            self._receiving = False
            self._deadline = None
        elif self.requests or self._buffer:
            if not self._receiving:
                self._receiving = True
                self._expect_within(self.site.admission.limits.body_timeout)
        else:
            self._receiving = False
            self._expect_within(self.site.admission.limits.idle_timeout)

    def _time_is_up(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        remaining = self._deadline - self.site.reactor.seconds()
        if remaining > 0:
            self._timer = self.site.reactor.callLater(remaining, self._time_is_up)
        elif self._leaving:
            self.transport.abortConnection()
        elif not self._receiving:
            if self.is_congested:  # the last answer is still on its way
                self._expect_within(self.site.admission.limits.idle_timeout)
            else:
                self.loseConnection()
        else:
            self._check_progress()

    def _check_progress(self) -> None:
        timeout = self.site.admission.limits.body_timeout
        if self._framed and self._body_seen >= _SLOWEST * timeout:
            self._body_seen = 0
            self._expect_within(timeout)
            return
        what = "body" if self._framed else "head"
        self.refuse(RequestTimeoutError(f"The request's {what} did not arrive in time."))

    # -- receiving --

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client."""
        if not (self._receiving or self._handlingRequest):
            if data[0] not in _STARTS:
                data = self._begin_oddly(data)
            elif b"\r\n" not in data and b"\n" in data:
                # nothing would ever end the line that is waited for
                self._reckon()
                self.refuse(InvalidRequestError(_END_LINES))
                return
            if not data:
                return
        LineReceiver.dataReceived(self, data)
        self._reckon()

    def _begin_oddly(self, data: bytes) -> bytes:
        """Return what is left of ``data``, which does not begin as requests do.

        Empty lines before a request are ignored (RFC 9112, 2.2), but not for ever.  Another
        protocol is answered at once: its clients do not send the line that would be waited for.
        """
        while data.startswith(b"\r\n") and self._empty_lines < _MOST_EMPTY_LINES:
            self._empty_lines += 1
            data = data[2:]
        if data and data[0] not in _STARTS and data[0] != _RETURN:
            self._reckon()
            tls = data[0] in _TLS_STARTS
            self.refuse(InvalidRequestError(_SPEAK_PLAIN if tls else _SPEAK_HTTP))
            return b""
        return data

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line without an end."""
        self.refuse(HeadersTooLargeError("The request's headers are too large."))

    def headerReceived(self, line: bytes) -> bool:
        """Take a header: what Twisted does, but only framing is looked at twice."""
        if self._refused:
            return False
        raw_name, colon, value = line.partition(b":")
        name = _names.get(raw_name)
        if name is None or not colon or name in _FRAMING:
            return self._unusual_header(line, raw_name, name)
        value = value.strip(b" \t")
        if b"\0" in value or b"\n" in value or b"\r" in value:
            self._respondToBadRequestAndDisconnect()
            return False
        self.requests[-1].requestHeaders.addRawHeader(name, value)
        self._receivedHeaderCount += 1
        if self._receivedHeaderCount > self.maxHeaders:
            self._respondToBadRequestAndDisconnect()
            return False
        return True

    def _unusual_header(self, line: bytes, raw_name: bytes, name: bytes | None) -> bool:
        """Take a header whose name is new, or that is about framing; Twisted checks both."""
        if not super().headerReceived(line):
            return False
        if name is None and len(_names) < _MOST_NAMES:
            _names[raw_name] = raw_name.title()
        return True

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        if header == b"Content-Length" and data.isdigit() and len(data) > _LONGEST_LENGTH:
            self.refuse(too_large(self.site.admission.limits.max_body_bytes))
            return False
        if header == b"Transfer-Encoding" and data.lower() == b"identity":
            return bool(self._failChooseTransferDecoder())
        return bool(super()._maybeChooseTransferDecoder(header, data))

    def allHeadersReceived(self) -> None:
        """Judge the head; the body is read only if all is well."""
        if self._refused:
            return
        request: GatewayRequest = self.requests[-1]
        self.persistent = self.checkPersistence(request, self._version)
        if self._version == b"HTTP/1.0" and self.length is None:
            self.refuse(InvalidRequestError("HTTP/1.0 has no Transfer-Encoding."))
            return
        try:
            request.head_received(self._command, self._path, self._version, self.length)
        except GatewayError as error:
            self.refuse(error)
            return
        if self.length != 0:
            self._start_body(request)

    def _start_body(self, request: GatewayRequest) -> None:
        self._framed = True
        self._body_seen = 0
        if self.length is None:  # chunks of one byte take a thousand times as long as large ones
            self.transport.bufferSize = _CHUNKED_READ
        self._receiving = True
        self._expect_within(self.site.admission.limits.body_timeout)
        expect = request.requestHeaders.getRawHeaders(b"Expect")
        if expect and expect[0].lower() == b"100-continue" and self._version == b"HTTP/1.1":
            self._send100Continue()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Return whether the connection stays open after ``request``."""
        if version != b"HTTP/1.1":
            return False
        if self.site.is_closing:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        for value in request.requestHeaders.getRawHeaders(b"Connection") or ():
            if b"close" in (token.strip() for token in value.lower().split(b",")):
                request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
                return False
        return True

    def rawDataReceived(self, data: bytes) -> None:
        """Take bytes of the body, or of requests that must wait for their turn."""
        if self._handlingRequest:
            self._dataBuffer.append(data)
            self._buffered += len(data)
            if self._buffered > self._optimisticEagerReadSize and not self._waitingForTransport:
                self._networkProducer.pauseProducing()
            return
        self._body_seen += len(data)
        try:
            super().rawDataReceived(data)
        except GatewayError as error:
            self.refuse(error)

    def allContentReceived(self) -> None:
        """Go to work."""
        if not self._refused:
            self._framed = False
            super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Turn to the next request; if it is there already, others have their turn first."""
        if self.persistent and (self._buffer or any(self._dataBuffer)):
            self._next = self.site.reactor.callLater(0, self._turn_to_next, request)
        else:
            self._turn_to_next(request)

    def _turn_to_next(self, request: Any) -> None:
        self._next = None
        self._buffered = 0
        if self.site.is_closing:
            self.persistent = False
        super().requestDone(request)
        self._reckon()
        self.site.note_idle()

    # -- leaving --

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HeadersTooLargeError("The request has too many headers."))
        elif self._receivedHeaderSize > self.totalHeadersSize:
            self.refuse(HeadersTooLargeError("The request's headers are too large."))
        else:
            self.refuse(InvalidRequestError("The request is not well-formed HTTP/1.1."))

    def refuse(self, error: GatewayError) -> None:
        """Answer with ``error`` at once, read no further, and close the connection."""
        if self._refused:
            return
        self._refused = True
        for way_in in ("dataReceived", "lineReceived", "rawDataReceived"):
            setattr(self, way_in, _ignore)
        self.persistent = False
        if not self.requests:
            self.requests.append(self.requestFactory(self))
        request: GatewayRequest = self.requests[0]
        if request.head is None:
            request.method = getattr(self, "_command", b"GET")
            request.uri = getattr(self, "_path", b"/")
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        if request.head is not None:
            clock = self.site.reactor
            throttle, peer = self.site.admission.key_throttle, request.head.client
            error, delay = throttle.judge(error, peer, clock.seconds())
            request.head.quiet = isinstance(error, TooManyWrongKeysError)
            if delay:
                self._deadline = None
                self._late = clock.callLater(delay, request.answer, error)
                return
        request.answer(error)

    def loseConnection(self) -> None:
        """Close the connection once all is written; a refused client may send on for a while."""
        self._drop_late()
        if not self._refused:
            super().loseConnection()
        elif not self._leaving:
            self._leaving = True
            self._networkProducer.unregisterProducer()
            if ITCPTransport.providedBy(self.transport) and not ISSLTransport.providedBy(
                self.transport
            ):
                self.transport.loseWriteConnection()
            self._expect_within(_LINGER)

    def _drop_late(self) -> None:
        """Give up an answer that waits for its time."""
        late, self._late = self._late, None
        if late is not None and late.active():
            late.cancel()

    @property
    def is_busy(self) -> bool:
        """Whether a request is worked on."""
        return bool(self._handlingRequest)

    def cancel_unanswered(self) -> None:
        """End the request that is worked on with an error, unless its answer has begun."""
        request = self.requests[0] if self.requests else None
        running = getattr(request, "running", None)
        if running is not None and not request.startedWriting:  # type: ignore[union-attr]
            running.cancel()

    def leave_if_idle(self) -> None:
        """Close the connection if nothing is going on."""
        if not self._receiving and not self._handlingRequest and not self._leaving:
            self.loseConnection()

    def leave(self) -> None:
        """Close the connection for good; what is written already may still go out."""
        # Twisted forgets to reset the flag behind the last request of a connection.
        if self._handlingRequest and self.requests:
            self.transport.abortConnection()
        elif not self._leaving:
            self._leaving = True
            self.loseConnection()
            self._expect_within(_LINGER)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let everything go."""
        self._drop_late()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is not None:
            self._next.cancel()
            self._next = None
            del self.requests[0]  # it is answered
        self._deadline = None
        super().connectionLost(reason)
        self.site.channel_gone(self)
