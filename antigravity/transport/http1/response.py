"""A response, and its body on the way to a reader."""

# ruff: noqa: N802, N815 - names that Twisted calls

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IClientRequest, IResponse
from zope.interface import implementer

from antigravity.transport.failures import failure_of
from antigravity.transport.http1.headers import HeaderPairs
from antigravity.transport.http1.response_parser import ResponseHead


@implementer(IResponse, IPushProducer)
class Response:
    """A response; also the transport of the reader of its body, which can pause and stop it.

    ``connection`` delivers the body until :meth:`finish`; afterwards the connection may serve
    another request, and is not touched.

    :ivar reader: the protocol that reads the body, once there is one.
    """

    request: IClientRequest | None = None
    previousResponse: IResponse | None = None

    def __init__(self, head: ResponseHead, connection: Any) -> None:
        self.code = head.status
        self.version = head.version
        self.phrase = head.phrase
        self.headers = HeaderPairs(pairs=head.pairs)
        self.length: Any = UNKNOWN_LENGTH if head.length is None else head.length
        self.reader: Any = None
        self._connection = connection
        self._is_requested = False
        #: What was received before there was a reader: the rest of one read.
        self._early = b""
        self._is_complete = False
        self._error: Failure | None = None

    def setPreviousResponse(self, response: IResponse) -> None:
        """Set the redirect that led here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Deliver the body to ``protocol``; this can be called once."""
        if self._is_requested:
            raise RuntimeError("the body has already been requested")
        self._is_requested = True
        if self._connection is not None:
            self._connection.resume_reading()
            self.reader = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type]
        early, self._early = self._early, b""
        if early:
            protocol.dataReceived(early)
        if self._error is not None:
            protocol.connectionLost(self._error)
        elif self._is_complete:
            protocol.connectionLost(failure_of(ResponseDone()))

    def take_whole(self) -> bytes | None:
        """Return the whole body instead of delivering it, ``None`` if it is not complete yet."""
        if self._is_requested or not self._is_complete:
            return None
        self._is_requested = True
        early, self._early = self._early, b""
        return early

    def hold(self, data: bytes) -> None:
        """Keep the beginning of the body until there is a reader."""
        self._early += data

    def finish(self, error: Failure | None) -> None:
        """End the body; it is complete if there is no ``error``."""
        self._connection = None
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.connectionLost(failure_of(ResponseDone()) if error is None else error)
        else:
            self._error = error
            self._is_complete = error is None

    # The reader's transport.

    def pauseProducing(self) -> None:
        """Stop reading from the connection."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resumeProducing(self) -> None:
        """Read again."""
        if self._connection is not None:
            self._connection.resume_reading()

    def stopProducing(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()

    loseConnection = stopProducing
    abortConnection = stopProducing
