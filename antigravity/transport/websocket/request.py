"""One request over WebSocket, whose response looks like one over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from antigravity.interfaces.sockets import Resend, UpstreamMessage
from antigravity.interfaces.transport import NO_SOCKET, IIncomingResponse, OutgoingRequest
from antigravity.ir.errors import CancelledByClientError, GatewayError, UnavailableError
from antigravity.transport.deadlines import Limit, deadline_error
from antigravity.transport.failures import cause_of, error_before_response, failure_of, was_closed
from antigravity.transport.http1.response import Response
from antigravity.transport.http1.response_parser import ResponseHead
from antigravity.transport.request_timer import RequestTimer
from antigravity.transport.response import IncomingResponse
from antigravity.transport.websocket.connection import SocketConnection

if TYPE_CHECKING:
    from antigravity.transport.websocket.pool import SocketPool

#: A connection that ends within so many seconds after sending had been idle for too long.
_STALE_WITHIN: Final = 2.0
#: How often a request is sent again.
_MOST_RESENDS: Final = 3


class SocketRequest:
    """One request, until the end of its response."""

    def __init__(self, pool: SocketPool, request: OutgoingRequest, where: str) -> None:
        assert request.socket is not None
        self._pool = pool
        self._request = request
        self._use = request.socket
        self._where = where
        self._reactor = pool.reactor
        self._timer = RequestTimer(pool.reactor, request.timeouts, self._expired)
        self._result: Deferred[IIncomingResponse] | None = None
        #: What is waited for: a connection, or the response over HTTP.
        self._waiting: Deferred[Any] | None = None
        self._connection: SocketConnection | None = None
        self._ticket = 0
        self._sent = 0.0
        self._is_whole = False
        self._resends: list[Resend] = []
        self._response: Response | None = None
        self._incoming: IncomingResponse | None = None

    def start(self) -> Deferred[IIncomingResponse]:
        """Send the request."""
        result: Deferred[IIncomingResponse] = Deferred(self._cancel)
        self._result = result
        self._pool.active.add(self)
        self._timer.start(self._reactor.seconds())
        self._send()
        return result

    # -- sending ------------------------------------------------------------------------

    def _send(self) -> None:
        connection = self._pool.find(self._request)
        if connection is not None:
            self._send_over(connection)
            return
        self._waiting = waiting = self._pool.connect(self._request)
        waiting.addCallbacks(self._connected, self._not_connected)

    def _connected(self, connection: SocketConnection | None) -> None:
        self._waiting = None
        if connection is None:
            self._send_over_http()
        else:
            self._send_over(connection)

    def _not_connected(self, failure: Failure) -> None:
        self._waiting = None
        if self._result is None:
            return  # cancelled
        error = error_before_response(cause_of(failure), self._where)
        self._finish(failure_of(error))

    def _send_over(self, connection: SocketConnection) -> None:
        use, request = self._use, self._request
        can_continue = connection.session.can_continue(use.turn)
        continues = can_continue and bool(use.continuation) and not self._is_whole
        self._sent = self._reactor.seconds()
        self._connection = connection
        try:
            self._ticket = connection.send(
                self,
                use.turn,
                use.continuation if continues else request.body,
                with_lane=use.turn.lane is not None and self._pool.has_lanes(request) is not False,
                continues=continues,
            )
        except GatewayError as error:  # the body is not an object
            self._connection = None
            self._finish(failure_of(error))

    def _send_over_http(self) -> None:
        if not self._use.turn.generates:
            message = f"{self._where} is not served over WebSocket"
            self._finish(failure_of(UnavailableError(message, code=NO_SOCKET)))
            return
        self._timer.stop()
        self._waiting = waiting = self._pool.send_over_http(replace(self._request, socket=None))
        waiting.addBoth(self._answered)

    def _answered(self, result: IIncomingResponse | Failure) -> None:
        self._waiting = None
        self._finish(result)

    def _may_resend(self, how: Resend) -> bool:
        return how not in self._resends and len(self._resends) < _MOST_RESENDS

    def _resend(self, how: Resend) -> None:
        connection, self._connection = self._connection, None
        self._resends.append(how)
        if how == "whole":
            self._is_whole = True
        elif how == "without_lane":
            self._pool.note_lanes(self._request, has_lanes=False)
        elif connection is not None:
            connection.retire()
        self._send()

    # -- the response -------------------------------------------------------------------

    def received(self, message: UpstreamMessage) -> None:
        """Take a part of the response."""
        if message.resend and self._may_resend(message.resend):
            self._resend(message.resend)
            return
        response = self._response
        if response is None:
            self._begin(message)
            return
        if message.data:
            if response.reader is None:
                response.hold(message.data)
            else:
                response.reader.dataReceived(message.data)
        if message.is_last:
            self._release_connection()
            response.finish(None)

    def _release_connection(self) -> SocketConnection | None:
        """Return the connection, which this request uses no more."""
        connection, self._connection = self._connection, None
        self._use.turn.steering.send = None
        return connection

    def _steer(self, text: bytes) -> None:
        if self._connection is not None:
            self._connection.steer(self._ticket, text)

    def _begin(self, message: UpstreamMessage) -> None:
        """Deliver the response with its beginning."""
        connection = self._connection
        assert connection is not None
        if connection.session.has_lanes is not None:
            self._pool.note_lanes(self._request, has_lanes=connection.session.has_lanes)
        kind = b"application/json" if message.status else b"text/event-stream"
        headers = [(name.encode(), value.encode()) for name, value in message.headers]
        head = ResponseHead(
            status=message.status or 200,
            version=(b"HTTP", 1, 1),
            phrase=b"",
            pairs=[*headers, (b"content-type", kind)],
            length=None,
            until_close=False,
        )
        self._response = response = Response(head, self)
        response.hold(message.data)
        if message.is_last:
            self._release_connection()
            response.finish(None)
        else:
            self._use.turn.steering.send = self._steer
        self._timer.head_received()
        result, self._result = self._result, None
        self._incoming = incoming = IncomingResponse(
            response,
            "",
            reactor=self._reactor,
            timer=self._timer,
            where=self._where,
            abort_connection=self.abort,
            on_end=self._end,
        )
        assert result is not None
        result.callback(incoming)
        if response.reader is None and self._response is response:
            self.pause_reading()

    def lost(self, reason: Failure) -> None:
        """End: the connection is lost."""
        connection = self._release_connection()
        cause = cause_of(reason)
        if self._response is not None:
            self._response.finish(reason)
        elif connection is not None and self._is_stale(cause, connection):
            self._resends.append("new_connection")
            self._send()
        else:
            self._finish(failure_of(error_before_response(cause, self._where)))

    def _is_stale(self, cause: BaseException, connection: SocketConnection) -> bool:
        """Return whether a connection was closed because it was old, not for the request."""
        if connection.served < 2 or not self._may_resend("new_connection"):
            return False
        is_closed = was_closed(cause) or connection.was_closed_by_server
        return is_closed and self._reactor.seconds() - self._sent < _STALE_WITHIN

    # Called by the response.

    def pause_reading(self) -> None:
        """Read nothing more."""
        if self._connection is not None:
            self._connection.pause_reading(self)

    def resume_reading(self) -> None:
        """Read again."""
        if self._connection is not None:
            self._connection.resume_reading(self)

    def abort(self) -> None:
        """Stop the request; its response ends in the next turn of the reactor."""
        connection = self._release_connection()
        if connection is None:
            return  # it is complete
        connection.abandon(self._ticket)
        if self._response is not None:
            ended = failure_of(CancelledByClientError("the response was not read"))
            self._reactor.callLater(0, self._response.finish, ended)

    # -- the end ------------------------------------------------------------------------

    def _expired(self, limit: Limit) -> None:
        self._stop(deadline_error(limit, getattr(self._request.timeouts, limit), self._where))

    def stop(self) -> None:
        """Fail the request or its response, because the transport closes."""
        self._stop(UnavailableError("the gateway is shutting down"))

    def _stop(self, error: GatewayError) -> None:
        if self._incoming is not None:
            self._incoming.fail(error)
            return
        result, self._result = self._result, None
        self._release()
        if result is not None:
            result.errback(error)

    def _cancel(self, _: object) -> None:
        self._result = None
        self._release()

    def _release(self) -> None:
        """Stop waiting, without a result."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        self.abort()
        self._end()

    def _finish(self, result: IIncomingResponse | Failure) -> None:
        """End with a result that is not a response over WebSocket."""
        waiting, self._result = self._result, None
        self._end()
        if waiting is None:
            return
        if isinstance(result, Failure):
            waiting.errback(result)
        else:
            waiting.callback(result)

    def _end(self) -> None:
        self._timer.stop()
        self._incoming = None
        self._pool.active.discard(self)
