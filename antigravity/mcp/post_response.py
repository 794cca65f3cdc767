"""The response to one POST: a single body if it is ready soon, otherwise an event stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp_values import McpError
from antigravity.logs import make_logger
from antigravity.mcp.event_stream import EventStream
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.event_log import EventLog
from antigravity.sse import encode_event

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
#: Seconds after which a response that is not ready becomes a stream.
_STREAM_AFTER: Final = 2.0
_RETRY: Final = 0.5


class AcceptedTypes(Struct, frozen=True):
    """The types that a client accepts: single responses (``whole``), and event streams."""

    whole: bool
    stream: bool


def parse_accept(headers: Mapping[str, str]) -> AcceptedTypes:
    """Return the types in the ``Accept`` header; without one, all."""
    accept = headers.get("accept", "*/*").lower()
    types = {one.partition(";")[0].strip() for one in accept.split(",")}
    if types & {"*/*", ""}:
        return AcceptedTypes(True, True)
    return AcceptedTypes(
        bool(types & {JSON, "application/*"}),
        bool(types & {EVENTS, "text/*"}),
    )


def error_reply(
    status: int,
    error: McpError,
    id: messages.RequestId | None = None,  # noqa: A002
    headers: tuple[tuple[str, str], ...] = (),
) -> Deferred[Reply]:
    """Return a fired Deferred with an error response."""
    return succeed(Reply(status, JSON, headers, messages.error(id, error)))


def message_reply(
    accept: AcceptedTypes, data: bytes, headers: tuple[tuple[str, str], ...] = ()
) -> Deferred[Reply]:
    """Return a fired Deferred with a response that holds one message."""
    if accept.whole:
        return succeed(Reply(200, JSON, headers, data))
    return succeed(Reply(200, EVENTS, headers, encode_event(b"message", data)))


class PostResponse:
    """The responses to ``expected`` requests, and other messages in between.

    ``disconnected`` is called when the client disconnects before the end.

    :ivar reply: fires with the HTTP response.
    :ivar complete: fires when there are responses to all requests.
    :ivar begun: whether a streamed HTTP response has begun.
    """

    logger = make_logger()

    def __init__(
        self,
        log: EventLog,
        accept: AcceptedTypes,
        clock: IReactorTime,
        keepalive: float,
        disconnected: Callable[[], None],
        *,
        expected: int = 1,
        is_batch: bool = False,
        prime: bool = False,
    ) -> None:
        self.reply: Deferred[Reply] = Deferred(lambda _: self._handle_disconnect())
        self.complete: Deferred[None] = Deferred()
        self.begun = False
        self.log = log
        self._accept = accept
        self._clock = clock
        self._keepalive = keepalive
        self._disconnected = disconnected
        self._expected = expected
        self._is_batch = is_batch
        self._prime = prime
        self._ready: list[bytes] = []
        self._stream: EventStream | None = None
        self._is_over = False
        self._timer: IDelayedCall | None = None
        if accept.stream:
            self._timer = clock.callLater(_STREAM_AFTER if accept.whole else 0, self._begin)

    @property
    def can_stream(self) -> bool:
        """Whether the client accepts messages besides the responses."""
        return self._accept.stream

    def send(self, data: bytes, *, expendable: bool = False) -> None:
        """Send a message besides the responses, unless the client accepts no streams."""
        if self._accept.stream and not self._is_over:
            self._begin()
            self.log.append(data, expendable=expendable)

    def result(self, id: messages.RequestId, value: Mapping[str, Any]) -> None:  # noqa: A002
        """Send the result of a request, or an error if it cannot be encoded as JSON."""
        try:
            data = messages.result(id, value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            self.logger.failure("the result of an MCP request cannot be encoded as JSON")
            broken = McpError(
                messages.INTERNAL_ERROR, "The result cannot be encoded; see the gateway's log."
            )
            data = messages.error(id, broken)
        self.respond(data)

    def fail(self, id: messages.RequestId, error: McpError, status: int = 200) -> None:  # noqa: A002
        """Send an error as the response to a request."""
        self.respond(messages.error(id, error), status)

    def respond(self, data: bytes, status: int = 200) -> None:
        """Send a response; a single one gets the HTTP ``status``."""
        self._expected -= 1
        if self.begun:
            self.log.append(data)
        else:
            self._ready.append(data)
        self._check(status)

    def skip(self) -> None:
        """Expect one response fewer, because its call was cancelled."""
        self._expected -= 1
        self._check(200)

    def close_connection(self) -> None:
        """Close the connection; the client can fetch the responses later, from the log."""
        if self._accept.stream and not self._is_over:
            self._begin()
            if self._stream is not None:
                self._stream.close_connection(_RETRY)

    def _check(self, status: int) -> None:
        if self._expected > 0:
            return
        self._stop_timer()
        if self.begun:
            self.log.end()
        elif not self._is_over:
            self._write_whole(status)
        self.complete.callback(None)

    def _write_whole(self, status: int) -> None:
        ready, self._is_over = self._ready, True
        if not ready:
            reply = Reply(202, "")
        elif not self._accept.whole and status == 200:
            body = b"".join(encode_event(b"message", data) for data in ready)
            reply = Reply(200, EVENTS, (), body)
        elif self._is_batch:
            reply = Reply(status, JSON, (), b"[" + b",".join(ready) + b"]")
        else:
            reply = Reply(status, JSON, (), ready[0])
        self.reply.callback(reply)

    def _begin(self) -> None:
        self._stop_timer()
        if self.begun or self._is_over:
            return
        self.begun = True
        ready, self._ready = self._ready, []
        for data in ready:
            self.log.append(data)
        self._stream = EventStream(
            self.log, self._clock, self._keepalive, self._handle_disconnect, prime=self._prime
        )
        self.reply.callback(Reply(200, EVENTS, (), stream=self._stream))

    def _handle_disconnect(self) -> None:
        """Handle a disconnect; the client can still fetch responses from the log."""
        self._stop_timer()
        if not self._is_over:
            self._is_over = not self.begun
            self._disconnected()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def no_content(status: int = 202) -> Deferred[Reply]:
    """Return a fired Deferred with a response without a body."""
    return succeed(Reply(status, ""))
