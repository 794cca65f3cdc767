"""HTTP/1.1 client connections whose response heads have a limit.

Twisted's parser limits each line, but takes any number of them, and any number of interim
(1xx) responses before the final one.
"""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web import client
from twisted.web._newclient import BODY, HTTP11ClientProtocol
from twisted.web.client import HTTPConnectionPool
from twisted.web.iweb import IResponse

from antigravity.ir.errors import UpstreamError

#: Bytes of the head of one response, together with all interim responses before it.
HEAD_LIMIT: Final = 128 * 1024
#: The parser gets a head in pieces of this size, so that it stops soon after the limit.
_PIECE: Final = 4096


class BoundedProtocol(HTTP11ClientProtocol):
    """A connection that is cut when the head of a response is longer than :data:`HEAD_LIMIT`."""

    _head = 0

    def request(self, request: Any) -> Deferred[IResponse]:
        """Send a request; its response begins with a new head."""
        self._head = 0
        sending: Deferred[IResponse] = super().request(request)
        return sending

    def dataReceived(self, data: bytes) -> None:
        """Take what has come; count it as long as it can belong to a head."""
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
                rest = data[start + _PIECE :]
                if rest:
                    super().dataReceived(rest)
                return
            self._head += len(piece)
            if self._head > HEAD_LIMIT:
                self._cut()
                return

    def _cut(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
        error = UpstreamError(
            f"The upstream sent response headers of more than {HEAD_LIMIT // 1024} KiB.",
            code="headers_too_large",
        )
        self._disconnectParser(Failure(error))


class _Factory(client._HTTP11ClientFactory):
    """Makes the connections of a pool."""

    noisy = False

    def buildProtocol(self, addr: Any) -> BoundedProtocol:
        """Return the protocol of one connection."""
        return BoundedProtocol(self._quiescentCallback)


class BoundedPool(HTTPConnectionPool):
    """A pool of such connections."""

    _factory = _Factory

    def __init__(self, reactor: Any, persistent: bool) -> None:
        super().__init__(reactor, persistent)
