"""One client's connection: HTTP/1.1 with strict framing and limits on size and time."""

# ruff: noqa: N802, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import string
from typing import Any

from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.web.errors import HeadersTooLargeError, RequestTimeoutError
from antigravity.web.http11 import Channel
from antigravity.web.key_throttle import TooManyWrongKeysError
from antigravity.web.request import GatewayRequest
from antigravity.web.request_body import too_large

#: Seconds for which a refused client may go on sending before the connection is aborted.  An
#: immediate close would reset it, and the client might never read the response.
_LINGER = 5.0
#: Bytes per second below which a body is stuck.
_SLOWEST = 1024
#: Bytes of a chunked body that are read at a time: tiny chunks cost a thousand times as much.
_CHUNKED_READ = 8 * 1024
#: Most digits of a Content-Length.
_MOST_DIGITS = 15
#: The characters that a request can begin with: those of a token (RFC 9110, 5.6.2).
_FIRST_BYTES = frozenset(b"!#$%&'*+-.^_`|~" + (string.ascii_letters + string.digits).encode())
_CARRIAGE_RETURN = 0x0D
#: The first byte of a TLS record, and of the hello of SSL 2.
_TLS_FIRST_BYTES = frozenset({0x16, 0x80})
#: Most empty lines before requests, on one connection.
_MOST_EMPTY_LINES = 16

_NOT_TLS = "This port serves plain HTTP, not TLS: write http:// instead of https:// in the address."
_NOT_HTTP = "This port serves HTTP, and this is not an HTTP request."
_LINE_ENDS = "The lines of a request must end with a carriage return and a line feed."


class GatewayChannel(Channel):
    """A stricter variant of the channel of ``twisted.web``.

    A message whose end is in doubt is refused and the connection closed (RFC 9112, 6.3).
    The head must be complete within ``body_timeout`` of its first byte; the body must make
    progress; an idle connection is closed after ``idle_timeout``.  There is no limit while a
    request is processed.

    One timer serves the connection.  Deadlines move, and a timer that fires too early is set
    again.
    """

    maxHeaders = 200
    totalHeadersSize = 64 * 1024
    MAX_LENGTH = 64 * 1024
    timeOut = None  # single bytes would keep resetting Twisted's own timer

    site: Any

    def __init__(self) -> None:
        super().__init__()
        self._closing = False
        self._receiving = False
        self._in_body = False
        self._deadline: float | None = None
        self._timer: Any = None
        self._body_bytes = 0
        self._empty_lines = 0
        self._delayed_refusal: Any = None
        self._next_request: Any = None

    # -- time --

    def connectionMade(self) -> None:
        """Wait for a request."""
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)
        self.site.channels.add(self)
        self._update_deadline()

    def _expect_within(self, seconds: float) -> None:
        """Set the deadline of the next step; 0 is no limit."""
        if not seconds:
            self._deadline = None
            return
        self._deadline = self.site.reactor.seconds() + seconds
        if self._timer is None:
            self._timer = self.site.reactor.callLater(seconds, self._timer_fired)
        elif self._timer.getTime() > self._deadline:
            self._timer.reset(seconds)

    def _update_deadline(self) -> None:
        """Set the deadline of the current state."""
        if self.refused or self._closing:
            return
        if self.is_busy:
            self._receiving = False
            self._deadline = None
        elif self.requests or self.has_input:
            if not self._receiving:
                self._receiving = True
                self._expect_within(self.site.admission.limits.body_timeout)
        else:
            self._receiving = False
            self._expect_within(self.site.admission.limits.idle_timeout)

    def _timer_fired(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        remaining = self._deadline - self.site.reactor.seconds()
        if remaining > 0:
            self._timer = self.site.reactor.callLater(remaining, self._timer_fired)
        elif self._closing:
            self.transport.abortConnection()
        elif not self._receiving:
            if self.is_congested:  # the last response is still being sent
                self._expect_within(self.site.admission.limits.idle_timeout)
            else:
                self.loseConnection()
        else:
            self._check_progress()

    def _check_progress(self) -> None:
        timeout = self.site.admission.limits.body_timeout
        if self._in_body and self._body_bytes >= _SLOWEST * timeout:
            self._body_bytes = 0
            self._expect_within(timeout)
            return
        what = "body" if self._in_body else "head"
        self.refuse(RequestTimeoutError(f"The request's {what} did not arrive in time."))

    # -- receiving --

    def dataReceived(self, data: bytes) -> None:
        """Receive bytes from the client."""
        if not (self._receiving or self.is_busy):
            if data[0] not in _FIRST_BYTES:
                data = self._check_first_bytes(data)
            elif b"\r\n" not in data and b"\n" in data:
                # the parser would wait forever for the end of the line
                self._update_deadline()
                self.refuse(InvalidRequestError(_LINE_ENDS))
                return
            if not data:
                return
        self.receive(data)
        self._update_deadline()

    def _check_first_bytes(self, data: bytes) -> bytes:
        """Return ``data`` without empty lines at its beginning; refuse other protocols.

        A few empty lines before a request are ignored (RFC 9112, 2.2).  Clients of another protocol
        get a response at once, because they may never send a line end.
        """
        while data.startswith(b"\r\n") and self._empty_lines < _MOST_EMPTY_LINES:
            self._empty_lines += 1
            data = data[2:]
        if data and data[0] not in _FIRST_BYTES and data[0] != _CARRIAGE_RETURN:
            self._update_deadline()
            is_tls = data[0] in _TLS_FIRST_BYTES
            self.refuse(InvalidRequestError(_NOT_TLS if is_tls else _NOT_HTTP))
            return b""
        return data

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long."""
        self.refuse_head(too_many=False, too_large=True)

    def check_framing(self, name: bytes, value: bytes) -> bool:
        """Return whether a header about the length of the body may be processed."""
        if name == b"Content-Length" and value.isdigit() and len(value) > _MOST_DIGITS:
            self.refuse(too_large(self.site.admission.limits.max_body_bytes))
            return False
        if name == b"Transfer-Encoding" and value.lower() == b"identity":
            self.fail_framing()
            return False
        return True

    def allHeadersReceived(self) -> None:
        """Check the head; the body is read only if the request is admitted."""
        if self.refused:
            return
        request: GatewayRequest = self.requests[-1]
        method, target, version = self.request_line
        self.persistent = self.checkPersistence(request, version)
        if version == b"HTTP/1.0" and self.length is None:
            self.refuse(InvalidRequestError("HTTP/1.0 has no Transfer-Encoding."))
            return
        try:
            request.head_received(method, target, version, self.length)
        except GatewayError as error:
            self.refuse(error)
            return
        if self.length != 0:
            self._start_body(request, version)

    def _start_body(self, request: GatewayRequest, version: bytes) -> None:
        self._in_body = True
        self._body_bytes = 0
        if self.length is None:
            self.transport.bufferSize = _CHUNKED_READ
        self._receiving = True
        self._expect_within(self.site.admission.limits.body_timeout)
        expect = request.requestHeaders.getRawHeaders(b"Expect")
        if expect and expect[0].lower() == b"100-continue" and version == b"HTTP/1.1":
            self.send_continue()

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
        """Receive bytes of the body, or of requests that wait for the current one."""
        if not self.is_busy:
            self._body_bytes += len(data)
        try:
            super().rawDataReceived(data)
        except GatewayError as error:
            self.refuse(error)

    def allContentReceived(self) -> None:
        """Process the request."""
        if not self.refused:
            self._in_body = False
            super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Start the next request; if it has arrived, in the next reactor turn."""
        if self.persistent and self.has_input:
            self._next_request = self.site.reactor.callLater(0, self._start_next, request)
        else:
            self._start_next(request)

    def _start_next(self, request: Any) -> None:
        self._next_request = None
        self.buffered = 0
        if self.site.is_closing:
            self.persistent = False
        super().requestDone(request)
        self._update_deadline()
        self.site.note_idle()

    # -- refusing and closing --

    def refuse_head(self, *, too_many: bool, too_large: bool) -> None:
        """Refuse a head that is malformed, or has too many or too large headers."""
        if too_many:
            self.refuse(HeadersTooLargeError("The request has too many headers."))
        elif too_large:
            self.refuse(HeadersTooLargeError("The request's headers are too large."))
        else:
            self.refuse(InvalidRequestError("The request is not well-formed HTTP/1.1."))

    def refuse(self, error: GatewayError) -> None:
        """Respond with ``error``, read no further, and close the connection."""
        if self.refused:
            return
        self.refused = True
        self.discard_input()
        self.persistent = False
        if not self.requests:
            self.requests.append(self.requestFactory(self))
        request: GatewayRequest = self.requests[0]
        if request.head is None:
            request.method, request.uri, _ = self.request_line
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        if request.head is not None:
            clock = self.site.reactor
            throttle, peer = self.site.admission.key_throttle, request.head.client
            error, delay = throttle.throttle(error, peer, clock.seconds())
            request.head.quiet = isinstance(error, TooManyWrongKeysError)
            if delay:
                self._deadline = None
                self._delayed_refusal = clock.callLater(delay, request.respond_with, error)
                return
        request.respond_with(error)

    def loseConnection(self) -> None:
        """Close the connection once all is written; a refused client may send for a while."""
        self._cancel_refusal()
        if not self.refused:
            super().loseConnection()
        elif not self._closing:
            self._closing = True
            self.release_transport()
            if ITCPTransport.providedBy(self.transport) and not ISSLTransport.providedBy(
                self.transport
            ):
                self.transport.loseWriteConnection()
            self._expect_within(_LINGER)

    def _cancel_refusal(self) -> None:
        """Cancel a delayed response."""
        delayed, self._delayed_refusal = self._delayed_refusal, None
        if delayed is not None and delayed.active():
            delayed.cancel()

    def cancel_unstarted_response(self) -> None:
        """Fail the current request, unless its response has begun."""
        request = self.requests[0] if self.requests else None
        running = getattr(request, "running", None)
        if running is not None and not request.startedWriting:  # type: ignore[union-attr]
            running.cancel()

    def close_if_idle(self) -> None:
        """Close the connection if no request is received or processed."""
        if not self._receiving and not self.is_busy and not self._closing:
            self.loseConnection()

    def close(self) -> None:
        """Close the connection; bytes already written are still sent, but responses are cut off."""
        # Twisted does not reset is_busy after the last request of a connection.
        if self.is_busy and self.requests:
            self.transport.abortConnection()
        elif not self._closing:
            self._closing = True
            self.loseConnection()
            self._expect_within(_LINGER)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel all timers."""
        self._cancel_refusal()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next_request is not None:
            self._next_request.cancel()
            self._next_request = None
            del self.requests[0]  # its response is complete
        self._deadline = None
        super().connectionLost(reason)
        self.site.remove_channel(self)
