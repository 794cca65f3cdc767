"""Streams of messages from a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import UpstreamError
from antigravity.sse import EventTooLargeError, SseDecoder


class _Decoder(SseDecoder):
    """Knows also what is needed to come back for the rest of a stream."""

    __slots__ = ("last_id", "retry")

    def __init__(self) -> None:
        super().__init__()
        self.last_id = ""
        self.retry: float | None = None

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"id":
            self.last_id = value.strip().decode("utf-8", "replace")
        elif name == b"retry" and value.strip().isdigit() and len(value) < 16:
            self.retry = int(value) / 1000
        else:
            super()._line(line)


class EventReader(Protocol):
    """Reads a body of events, and gives ``on_data`` the data of each.

    :ivar done: fires at the end; fails with a ``GatewayError`` if it broke off.
    """

    transport: Any

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        self.done: Deferred[None] = Deferred(lambda _: self._stop())
        self._on_data = on_data
        self._decoder = _Decoder()
        self._is_over = False

    @property
    def last_id(self) -> str:
        """The id of the last event, ``""`` if there was none."""
        return self._decoder.last_id

    @property
    def retry(self) -> float | None:
        """How long the server wants us to wait before we come back, in seconds."""
        return self._decoder.retry

    def read(self, response: IIncomingResponse, *, paused: bool) -> None:
        """Begin."""
        response.deliver(self)
        if paused and not self._is_over:
            self.transport.pauseProducing()

    def pause(self) -> None:
        """Read nothing more for now."""
        if not self._is_over:
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if not self._is_over:
            self.transport.resumeProducing()

    def finish(self) -> None:
        """Read no more: everything is there."""
        if not self._is_over:
            self._stop()
            self.done.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Take a piece of the body."""
        try:
            events = self._decoder.feed(data)
        except EventTooLargeError as error:
            self._stop()
            self.done.errback(UpstreamError(str(error)))
            return
        for event in events:
            if event.data and not self._is_over:
                self._on_data(event.data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take the end of the body."""
        if self._is_over:
            return
        for event in self._decoder.close():
            if event.data and not self._is_over:
                self._on_data(event.data)
        if not self._is_over:
            self._is_over = True
            self.done.callback(None) if reason.check(ResponseDone) else self.done.errback(reason)

    def _stop(self) -> None:
        self._is_over = True
        self.transport.stopProducing()
