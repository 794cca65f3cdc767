"""Read the event streams of a server."""

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
    """A decoder that also stores the last event id and the retry interval, for reconnecting."""

    __slots__ = ("last_id", "retry")

    def __init__(self) -> None:
        super().__init__()
        self.last_id = ""
        self.retry: float | None = None

    def read_field(self, line: bytes) -> None:
        """Read a line that is not blank."""
        name, _, value = line.partition(b":")
        if name == b"id":
            self.last_id = value.strip().decode("utf-8", "replace")
        elif name == b"retry" and value.strip().isdigit() and len(value) < 16:
            self.retry = int(value) / 1000
        else:
            super().read_field(line)


class EventReader(Protocol):
    """A reader of a body of events, which passes the data of each to ``on_data``.

    :ivar done: fires at the end; fails with a ``GatewayError`` after an interruption.
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
        """The seconds to wait before reconnecting, as the server requests it."""
        return self._decoder.retry

    def read(self, response: IIncomingResponse, *, paused: bool) -> None:
        """Start reading ``response``."""
        response.deliver(self)
        if paused and not self._is_over:
            self.transport.pauseProducing()

    def pause(self) -> None:
        """Pause the stream."""
        if not self._is_over:
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Resume the stream."""
        if not self._is_over:
            self.transport.resumeProducing()

    def finish(self) -> None:
        """Stop reading, because the response is complete."""
        if not self._is_over:
            self._stop()
            self.done.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Decode a part of the body."""
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
        """Handle the end of the body."""
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
