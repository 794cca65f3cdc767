"""HTTP/1.1 client connections with a limit on response heads, and with early responses.

Twisted's parser limits each line, but not their number, nor the number of interim (1xx) responses.
Twisted delivers a response after the request is sent, and loses it if the connection ends before
that: a server that refuses a large request by its headers responds, and closes the connection, in
the middle of the body (RFC 9112, section 9.5).

No other module of ``transport`` names a private attribute of ``twisted.web``; each one here has a
test in ``tests/web/test_http11_contract.py``.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import client
from twisted.web._newclient import BODY, HTTP11ClientProtocol
from twisted.web.client import HTTPConnectionPool
from twisted.web.http import _DataLoss
from twisted.web.iweb import IResponse

from antigravity.transport.handshake import Handshake
from antigravity.transport.head_limit import HEAD_LIMIT, head_limit_error

#: The parser gets a head in pieces of this size, so that it stops soon after the limit.
_PIECE: Final = 4096


class ClientConnection(Handshake, HTTP11ClientProtocol):
    """A connection that is aborted when the head of a response exceeds :data:`HEAD_LIMIT`.

    A response is delivered when its head is complete, even if the request is still being sent.
    """

    _head = 0
    _is_early = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail the handshake, if it is not done."""
        super().connectionLost(reason)
        self.handshake_lost(reason)

    def request(self, request: Any) -> Deferred[IResponse]:
        """Send a request; its response begins with a new head."""
        self._head, self._is_early = 0, False
        sending: Deferred[IResponse] = super().request(request)
        return sending

    def dataReceived(self, data: bytes) -> None:
        """Parse ``data``; count its bytes while they can belong to a head."""
        parser: Any = self._parser
        if parser is None or parser.state == BODY:
            super().dataReceived(data)
            return
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            super().dataReceived(piece)
            now: Any = self._parser
            if now is not parser:
                return  # the response is complete, or was not HTTP
            if now.state == BODY:
                self._deliver_early()
                rest = data[start + _PIECE :]
                if rest:
                    super().dataReceived(rest)
                return
            self._head += len(piece)
            if self._head > HEAD_LIMIT:
                self._abort_head()
                return

    def _deliver_early(self) -> None:
        """Deliver the response before the request is sent completely."""
        if self._state == "TRANSMITTING" and not self._is_early:
            self._is_early = True
            response: Any = self._responseDeferred
            self._responseDeferred = Deferred()  # never fires
            response.chainDeferred(self._finishedRequest)

    def _finishResponse_TRANSMITTING(self, rest: bytes) -> None:  # noqa: N802
        """Stop sending: the response is complete, and the server may not read the rest."""
        request: Any = self._currentRequest
        transport: Any = self.transport
        super()._finishResponse_TRANSMITTING(rest)
        if request is not None:
            request.stopWriting()
        transport.abortConnection()

    def _connectionLost_TRANSMITTING(self, reason: Failure) -> None:  # noqa: N802
        """End an early response with the connection, like one that has no length."""
        if not self._is_early:
            super()._connectionLost_TRANSMITTING(reason)
            return
        request: Any = self._currentRequest
        if request is not None:
            request.stopWriting()
        self._state = "WAITING"
        super()._connectionLost_WAITING(reason)

    def _connectionLost_WAITING(self, reason: Failure) -> None:  # noqa: N802
        """Fail a body without a length that ends with a reset, not with a close.

        After an early response a reset is likely: the server has not read the rest of the request.
        """
        parser: Any = self._parser
        decoder = None if parser is None else parser.bodyDecoder
        if getattr(decoder, "contentLength", 0) is None and not reason.check(ConnectionDone):
            parser.bodyDecoder = _IncompleteBody()
        super()._connectionLost_WAITING(reason)

    def _abort_head(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
        self._disconnectParser(Failure(head_limit_error()))


class _IncompleteBody:
    """The decoder that replaces the one of a body that was cut off."""

    def noMoreData(self) -> None:  # noqa: N802 - the name that Twisted calls
        """Report that the body is incomplete."""
        raise _DataLoss("the connection was reset")


class _Factory(client._HTTP11ClientFactory):
    """The factory of the pool's connections."""

    noisy = False

    def buildProtocol(self, addr: Any) -> ClientConnection:
        """Return the protocol of one connection."""
        return ClientConnection(self._quiescentCallback)


class ConnectionPool(HTTPConnectionPool):
    """A pool of :class:`ClientConnection` objects."""

    _factory = _Factory

    def __init__(self, reactor: Any, persistent: bool) -> None:
        super().__init__(reactor, persistent)
