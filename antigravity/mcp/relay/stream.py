"""The body of a remote server's response, relayed event by event with flow control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from zope.interface import implementer

from antigravity.interfaces.exchange import IReplyStream
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import UpstreamError
from antigravity.mcp.tool_calls import ToolCallEnd, end_of
from antigravity.redaction.events import EventRedactor
from antigravity.sse import EventTooLargeError


@implementer(IReplyStream, IPushProducer)
class RelayStream(Protocol):
    """A relayed ``response``; ``ended`` is called once at its end or a failure.

    :ivar end: how the response ended.
    """

    transport: Any

    def __init__(self, response: IIncomingResponse, ended: Callable[[RelayStream], None]) -> None:
        self._response = response
        self._ended = ended
        self._redactor = EventRedactor()
        self._consumer: Any = None
        self._written: Deferred[None] | None = None
        self._has_ended = False
        self.end = ToolCallEnd()

    def start(self, consumer: Any) -> Deferred[None]:
        """Write the stream to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        if self._has_ended:
            written.callback(None)
            return written
        self._written, self._consumer = written, consumer
        consumer.registerProducer(self, True)
        self._response.deliver(self)
        return written

    def abandon(self) -> None:
        """Abort the server's response, because the client disconnected."""
        if not self._has_ended:
            self._consumer = None
            self.end = end_of(Failure(CancelledError()), "")
            self._close()

    def finish(self) -> None:
        """Abort the server's response, and end the client's normally."""
        if not self._has_ended:
            self.end = end_of(Failure(CancelledError()), "The gateway is stopping.")
            self._close()
            self._end_client_response(None)

    def pauseProducing(self) -> None:
        """Pause the server's response while the client does not read."""
        if not self._has_ended:
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Resume the server's response."""
        if not self._has_ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Abort the server's response, because the client disconnected."""
        self.abandon()

    def dataReceived(self, data: bytes) -> None:
        """Relay a part of the response."""
        if self._consumer is None:
            return
        try:
            events = self._redactor.feed(data)
        except EventTooLargeError as error:
            self.end = _failed("The server's response cannot be read.")
            self._close()
            self._end_client_response(
                Failure(UpstreamError(f"The server's response cannot be read: {error}."))
            )
            return
        if events:
            self._consumer.write(events)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the client's response the way the server's ended."""
        if not self._has_ended:
            if not reason.check(ResponseDone):
                self.end = _failed("The server's response has broken off.")
            self._mark_ended()
            rest = self._redactor.rest()
            if rest and self._consumer is not None:
                self._consumer.write(rest)
            self._end_client_response(None if reason.check(ResponseDone) else reason)

    def _close(self) -> None:
        self._mark_ended()
        self._response.abort()

    def _mark_ended(self) -> None:
        self._has_ended = True
        self._ended(self)

    def _end_client_response(self, failure: Failure | None) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        written, self._written = self._written, None
        if written is not None and not written.called:
            written.callback(None) if failure is None else written.errback(failure)


def _failed(message: str) -> ToolCallEnd:
    return ToolCallEnd("error", 502, f"UpstreamError: {message}")
