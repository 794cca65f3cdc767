"""Serves the requests of one connection, several at a time, as if each had been posted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.deferreds import first_failure
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.sockets import (
    Action,
    Computation,
    ISocketSession,
    SessionRequest,
    Steer,
)
from antigravity.ir.errors import GatewayError, InvalidRequestError, UnavailableError
from antigravity.web.websocket.connection import WebSocketConnection

#: Returns the reply to a request.
Serve = Callable[[SessionRequest], Deferred[Reply]]
#: Calls a function in a thread; see :class:`IExchange`.
Compute = Callable[[int, Callable[[], Any]], Deferred[Any]]
#: Returns the error that a client may see for a failure.
Explain = Callable[[Failure], GatewayError]

_EXPIRED: Final = "The connection has reached its maximum age; open a new one."


class ConnectionLimitError(InvalidRequestError):
    """The connection has lived too long."""

    def __init__(self) -> None:
        super().__init__(_EXPIRED, code="websocket_connection_limit_reached")


@implementer(IConsumer)
class _Run:
    """One request; the consumer of its streamed reply."""

    def __init__(self, requests: SocketRequests, ticket: int) -> None:
        self.ticket = ticket
        self.producer: Any = None
        self.waiting: Deferred[Any] | None = None
        self.has_begun = False
        self._requests = requests

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace rule ``producer``."""
        self.producer = producer
        if self._requests.is_paused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None

    def write(self, data: bytes) -> None:
        """Send what a piece of the stream completes."""
        self._requests.write(self.ticket, data)


class SocketRequests:
    """The requests of one connection, and the state of its protocol."""

    def __init__(
        self,
        connection: WebSocketConnection,
        session: ISocketSession,
        serve: Serve,
        explain: Explain,
        compute: Compute,
    ) -> None:
        self._connection = connection
        self._session = session
        self._serve = serve
        self._explain = explain
        self._compute = compute
        self._runs: dict[int, _Run] = {}
        self._computing: set[Deferred[Any]] = set()
        self._is_lost = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is running, or a message is read."""
        return bool(self._runs or self._computing)

    @property
    def is_paused(self) -> bool:
        """Whether the client does not read fast enough."""
        return self._connection.is_congested

    # -- messages -----------------------------------------------------------------------

    def received(self, text: bytes | None) -> None:
        """Handle a message of the client; ``None`` is one that is not text."""
        session = self._session
        self._perform(session.receive_binary() if text is None else session.receive(text))

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, SessionRequest):
                self._start(action)
            elif isinstance(action, Steer):
                if action.steering.send is not None:
                    action.steering.send(action.text)
            elif isinstance(action, Computation):
                self._begin_computation(action)
            else:
                self._connection.send(action)
        self._connection.work_changed()

    def _begin_computation(self, computation: Computation) -> None:
        """Compute something, and read nothing from the client until then."""
        if self._is_lost:
            return
        self._connection.hold()
        computing = self._compute(computation.size, computation.function)
        self._computing.add(computing)
        computing.addBoth(self._computed, computation, computing)

    def _computed(self, result: Any, computation: Computation, computing: Deferred[Any]) -> None:
        self._computing.discard(computing)
        if self._is_lost:
            return
        try:
            if isinstance(result, Failure):
                error = result.value
                if not isinstance(error, GatewayError):
                    error = self._explain(result)
                self._perform(computation.failed(error))
            else:
                self._perform(computation.then(result))
        except Exception:  # noqa: BLE001 - a fault must not leave the client waiting
            self._connection.fail(Failure())
        self._connection.release()

    def _start(self, request: SessionRequest) -> None:
        if self._is_lost:
            return
        run = self._runs[request.ticket] = _Run(self, request.ticket)
        run.waiting = waiting = self._serve(request)
        waiting.addCallback(self._replied, run).addErrback(self._failed, run)

    # -- replies ------------------------------------------------------------------------

    def _replied(self, reply: Reply, run: _Run) -> Deferred[None] | None:
        """Send a reply, and return a Deferred that fires when its stream has ended."""
        if self._is_lost:
            if reply.stream is not None:
                reply.stream.abandon()
            return None
        if reply.stream is None:
            del self._runs[run.ticket]
            self._perform(self._session.reply(run.ticket, reply.status, reply.headers, reply.body))
            return None
        run.has_begun = True
        written: Deferred[None] = reply.stream.start(run)
        return written.addCallback(self._ended, run)

    def write(self, ticket: int, data: bytes) -> None:
        """Send the messages for a piece of a stream."""
        if not self._is_lost:
            for message in self._session.feed(ticket, data):
                assert isinstance(message, bytes)
                self._connection.send(message)

    def _ended(self, _: object, run: _Run) -> None:
        self._end(run, None)

    def _failed(self, failure: Failure, run: _Run) -> None:
        if self._is_lost:
            return
        failure = first_failure(failure)
        if run.ticket not in self._runs:  # a fault after its end
            self._connection.fail(failure)
            return
        error = failure.value
        if isinstance(error, CancelledError):
            error = UnavailableError("The gateway is shutting down.")
        elif not isinstance(error, GatewayError):
            error = self._explain(failure)
        self._end(run, error)

    def _end(self, run: _Run, error: GatewayError | None) -> None:
        if self._runs.pop(run.ticket, None) is not None and not self._is_lost:
            self._perform(self._session.end(run.ticket, error))

    # -- the connection -----------------------------------------------------------------

    def tick(self) -> None:
        """Send signs of life where they are due."""
        self._perform(self._session.keep_alive())

    def expire(self) -> bytes:
        """Begin nothing new, and return the last message."""
        error = ConnectionLimitError()
        self._perform(self._session.refuse_requests(error))
        return self._session.refusal(error)

    def finish(self) -> None:
        """Begin nothing new."""
        error = UnavailableError("The gateway is shutting down; try again.")
        self._perform(self._session.refuse_requests(error))

    def cancel_unstarted(self) -> None:
        """Fail the requests whose response has not begun."""
        for run in list(self._runs.values()):
            if not run.has_begun and run.waiting is not None:
                run.waiting.cancel()

    def pause(self) -> None:
        """Pause all streams."""
        for run in list(self._runs.values()):
            if run.producer is not None:
                run.producer.pauseProducing()

    def resume(self) -> None:
        """Resume all streams."""
        for run in list(self._runs.values()):
            if run.producer is not None and not self.is_paused:
                run.producer.resumeProducing()

    def lost(self) -> None:
        """Cancel everything."""
        if self._is_lost:
            return
        self._is_lost = True
        for computing in tuple(self._computing):
            computing.cancel()
        runs, self._runs = self._runs, {}
        for run in runs.values():
            if run.waiting is not None:
                run.waiting.cancel()
        self._session.close()
        self._connection.work_changed()
