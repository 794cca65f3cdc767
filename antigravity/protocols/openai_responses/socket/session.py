"""One connection that speaks the Responses API over WebSocket."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.sockets import Action, ISocketSession, SessionContext, SessionRequest
from antigravity.ir.errors import GatewayError, InvalidRequestError, incomplete_response_error
from antigravity.protocols.openai_responses.socket import client_message, server_message
from antigravity.protocols.openai_responses.socket.client_message import ClientMessage, Create
from antigravity.protocols.openai_responses.socket.history import (
    History,
    check_calls,
    expand,
    not_found,
    remembered,
)
from antigravity.protocols.openai_responses.socket.prewarm import prewarm
from antigravity.protocols.openai_responses.socket.running_request import RunningRequest
from antigravity.protocols.openai_responses.socket.server_message import with_lane
from antigravity.sse import EventTooLargeError

#: Requests of a connection that run or wait, and lanes with a name, as at api.openai.com.
MAX_IN_FLIGHT: Final = 16
MAX_LANES: Final = 32
_NOT_FOUND: Final = "previous_response_not_found"


class StreamLimitError(InvalidRequestError):
    """The connection has as many requests or lanes as it may have."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="websocket_stream_limit_reached")


class _Lane:
    """A lane: the ticket of the request that runs, and the requests that wait for its end."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.running: int | None = None
        self.waiting: deque[Create] = deque()


@implementer(ISocketSession)
class ResponsesSession:
    """The lanes of one connection, and the last response of each.

    Requests of a lane are served one after the other, those of different lanes at the same time.
    Requests without ``stream_id`` have a lane of their own.
    """

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._history = History(context.history, context.connection_id)
        self._lanes: dict[str | None, _Lane] = {}
        self._running: dict[int, RunningRequest] = {}
        self._waiting = 0
        self._waiting_bytes = 0
        self._tickets = 0
        self._refused: GatewayError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is running or waiting."""
        return bool(self._running)

    # -- the client ---------------------------------------------------------------------

    def receive(self, text: bytes) -> Sequence[Action]:
        """Return the actions for a message; see :class:`ISocketSession`."""
        try:
            message = client_message.read_message(text)
        except GatewayError as error:
            return [self.refusal(error)]
        try:
            return list(self._dispatch(message))
        except GatewayError as error:
            return [with_lane(server_message.encode_gateway_error(error), message.lane)]

    def receive_binary(self) -> Sequence[Action]:
        """Refuse a message; see :class:`ISocketSession`."""
        error = InvalidRequestError("Messages must be text.", code="binary_message")
        return [self.refusal(error)]

    def _dispatch(self, message: ClientMessage) -> Iterator[Action]:
        match message.type:
            case "response.create":
                yield from self._create(client_message.read_create(message))
            case "response.steer":
                given, previous_id = client_message.steer_target(message)
                yield with_lane(server_message.steer_failed(given, previous_id), message.lane)
            case "response.processed":
                return  # an acknowledgement
            case other:
                raise client_message.unknown_type(other)

    def _create(self, create: Create) -> Iterator[Action]:
        """Start a request, or let it wait for the others of its lane.

        :raises GatewayError: if it is refused.
        """
        if self._refused is not None:
            raise self._refused
        lane = self._lanes.get(create.lane)
        if lane is None:
            if create.lane is not None and len(self._lanes) - (None in self._lanes) >= MAX_LANES:
                raise StreamLimitError(f"A connection can have {MAX_LANES} values of `stream_id`.")
            lane = self._lanes[create.lane] = _Lane(create.lane)
        if len(self._running) + self._waiting >= MAX_IN_FLIGHT:
            raise StreamLimitError(f"A connection can have {MAX_IN_FLIGHT} requests in flight.")
        if lane.running is None:
            yield from self._start(lane, create)
            return
        most, size = self._context.max_waiting_bytes, len(create.body)
        if most and self._waiting_bytes + size > most:
            raise StreamLimitError("The requests that wait for others are too large.")
        self._waiting += 1
        self._waiting_bytes += size
        lane.waiting.append(create)

    # -- lanes --------------------------------------------------------------------------

    def _start(self, lane: _Lane, create: Create) -> Iterator[Action]:
        """Start a request of a lane; one that needs no reply is over at once."""
        try:
            running, body = self._prepare(create)
            if not create.generates:
                yield from self._prewarm(lane, running, body)
                return
        except GatewayError as error:
            if create.previous_id is not None:
                self._history.forget(create.previous_id)
            yield with_lane(server_message.encode_gateway_error(error), lane.name)
            return
        self._tickets += 1
        lane.running = self._tickets
        self._running[self._tickets] = running
        yield SessionRequest(self._tickets, body)

    def _prepare(self, create: Create) -> tuple[RunningRequest, bytes]:
        """Return a request, and the body to serve first.

        A response that is stored is continued by its id: whoever stores it has it whole.

        :raises GatewayError: if it cannot be continued.
        """
        previous_id, body = create.previous_id, create.body
        known = None if previous_id is None else self._history.find(previous_id)
        if previous_id is not None and known is None and not create.store:
            raise not_found(previous_id)
        make = partial(RunningRequest, create.lane, previous_id=previous_id, store=create.store)
        if known is None:
            return make(body, known=None), body
        check_calls(body, known)
        expanded = expand(body, known)
        running = make(expanded, known=known)
        if known.is_stored and create.generates:
            running.instead = expanded
            return running, body
        return running, expanded

    def _prewarm(self, lane: _Lane, running: RunningRequest, body: bytes) -> Iterator[Action]:
        """Answer a request that prepares a later one.

        :raises GatewayError: if it is not valid.
        """
        prewarmed = prewarm(body, self._context)
        memory = remembered(running.body, (), _stored_before(running), is_stored=False)
        self._history.remember(lane.name, prewarmed.id, memory)
        for event in prewarmed.events:
            if running.previous_id is not None:
                event = server_message.with_previous_id(event, running.previous_id)
            yield with_lane(event, lane.name)

    def _next(self, ticket: int) -> Iterator[Action]:
        """Start the next request of a lane whose request is over."""
        running = self._running.pop(ticket)
        lane = self._lanes[running.lane]
        lane.running = None
        while lane.waiting and lane.running is None:
            create = lane.waiting.popleft()
            self._waiting -= 1
            self._waiting_bytes -= len(create.body)
            yield from self._start(lane, create)

    # -- replies ------------------------------------------------------------------------

    def feed(self, ticket: int, data: bytes) -> Sequence[Action]:
        """Return the messages for a piece of a reply; see :class:`ISocketSession`."""
        running = self._running[ticket]
        messages: list[Action] = []
        try:
            messages.extend(with_lane(event, running.lane) for event in running.feed(data))
        except EventTooLargeError as error:
            messages.append(
                self._fail(running, GatewayError(f"The response is unusable: {error}."))
            )
        return messages

    def end(self, ticket: int, error: GatewayError | None = None) -> Sequence[Action]:
        """Return the actions at the end of a reply; see :class:`ISocketSession`."""
        running = self._running[ticket]
        actions: list[Action] = []
        if not running.is_over:
            actions.append(self._fail(running, error or incomplete_response_error()))
        self._settle(running)
        actions.extend(self._next(ticket))
        return actions

    def reply(
        self, ticket: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Sequence[Action]:
        """Return the actions for a whole reply; see :class:`ISocketSession`."""
        running = self._running[ticket]
        if status < 400:
            try:
                events = running.end_whole(body)
            except GatewayError as unusable:
                return self.end(ticket, unusable)
            return [*(with_lane(event, running.lane) for event in events), *self.end(ticket)]
        error = server_message.error_of_reply(body)
        if error.get("code") == _NOT_FOUND and running.instead is not None:
            instead, running.instead = running.instead, None
            return [SessionRequest(ticket, instead)]
        running.is_over = True
        message = server_message.encode_error(error, status, headers)
        return [with_lane(message, running.lane), *self.end(ticket)]

    def _fail(self, running: RunningRequest, error: GatewayError) -> bytes:
        running.is_over = True
        return with_lane(server_message.encode_gateway_error(error), running.lane)

    def _settle(self, running: RunningRequest) -> None:
        """Remember a response, or forget the one that could not be continued."""
        final = running.final
        if final is not None:
            memory = remembered(
                running.body, final.output, _stored_before(running), is_stored=running.store
            )
            self._history.remember(running.lane, final.id, memory)
        elif running.previous_id is not None:
            self._history.forget(running.previous_id)

    # -- the connection -----------------------------------------------------------------

    def keep_alive(self) -> Sequence[Action]:
        """Return messages for silent requests; see :class:`ISocketSession`."""
        messages: list[Action] = []
        for running in self._running.values():
            if running.is_silent and not running.is_over:
                event = server_message.keepalive(running.sequence_number)
                messages.append(with_lane(event, running.lane))
            running.is_silent = True
        return messages

    def refuse_requests(self, error: GatewayError) -> Sequence[Action]:
        """Refuse requests that have not started; see :class:`ISocketSession`."""
        self._refused = error
        message = server_message.encode_gateway_error(error)
        refused: list[Action] = []
        for lane in self._lanes.values():
            refused.extend(with_lane(message, lane.name) for _ in lane.waiting)
            lane.waiting.clear()
        self._waiting = self._waiting_bytes = 0
        return refused

    def refusal(self, error: GatewayError) -> bytes:
        """Return a message about an error; see :class:`ISocketSession`."""
        return server_message.encode_gateway_error(error)

    def close(self) -> None:
        """Forget everything."""
        self._history.clear()
        self._running.clear()
        self._lanes.clear()


def _stored_before(running: RunningRequest) -> str | None:
    """Return the response before what is remembered of a request, if that is stored elsewhere."""
    return running.previous_id if running.known is None else running.known.previous_id
