"""One connection that speaks the Responses API over WebSocket."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.sockets import (
    Action,
    Computation,
    ISocketSession,
    SessionContext,
    SessionRequest,
    Steer,
)
from antigravity.ir.errors import GatewayError, InvalidRequestError, incomplete_response_error
from antigravity.protocols.openai_responses.socket import client_message, server_message
from antigravity.protocols.openai_responses.socket.client_message import ClientMessage, Create
from antigravity.protocols.openai_responses.socket.history import (
    History,
    Prepared,
    encode_memory,
    not_found,
    prepare,
)
from antigravity.protocols.openai_responses.socket.running_request import RunningRequest
from antigravity.protocols.openai_responses.socket.server_message import with_lane
from antigravity.sse import EventTooLargeError

#: Requests of a connection that run or wait, and lanes with a name, as at api.openai.com.
MAX_IN_FLIGHT: Final = 16
MAX_LANES: Final = 32
#: Bytes from which on a message or a conversation is read elsewhere: that takes some 2 ms.
LARGE: Final = 512 * 1024
#: How a stream begins that is a reply in one piece.
_EVENTS: Final = (b"event:", b"data:")
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
        self._preparing = 0  # requests that run, but for the computation before
        self._waiting = 0
        self._waiting_bytes = 0
        self._tickets = 0
        self._refused: GatewayError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is running or waiting."""
        return bool(self._running or self._preparing)

    # -- the client ---------------------------------------------------------------------

    def receive(self, text: bytes) -> Sequence[Action]:
        """Return the actions for a message; see :class:`ISocketSession`."""
        if len(text) > LARGE:
            read = partial(_read, text)
            return [Computation(len(text), read, self._received, self._unreadable)]
        try:
            return self._received(_read(text))
        except GatewayError as error:
            return self._unreadable(error)

    def _unreadable(self, error: GatewayError) -> Sequence[Action]:
        return [self.refusal(error)]

    def _received(self, read: tuple[ClientMessage, Create | GatewayError | None]) -> list[Action]:
        """Return the actions for a message that was read."""
        message, create = read
        try:
            return list(self._dispatch(message, create))
        except GatewayError as error:
            return [with_lane(server_message.encode_gateway_error(error), message.lane)]

    def receive_binary(self) -> Sequence[Action]:
        """Refuse a message; see :class:`ISocketSession`."""
        error = InvalidRequestError("Messages must be text.", code="binary_message")
        return [self.refusal(error)]

    def _dispatch(
        self, message: ClientMessage, create: Create | GatewayError | None
    ) -> Iterator[Action]:
        """Return the actions for a message.

        :raises GatewayError: if it is refused.
        """
        if isinstance(create, GatewayError):
            raise create
        if create is not None:
            yield from self._create(create)
        elif message.type == "response.steer":
            yield self._steer(message)
        elif message.type != "response.processed":  # an acknowledgement
            raise client_message.unknown_type(message.type)

    def _steer(self, message: ClientMessage) -> Action:
        """Pass input on to the upstream of the response that is running, or refuse it.

        :raises GatewayError: if it is malformed.
        """
        given, previous_id = client_message.steer_target(message)
        for running in self._running.values():
            if running.response_id == previous_id and running.can_be_steered:
                if not running.steer(given, self._context.max_waiting_bytes):
                    refused = server_message.steer_failed(
                        given, previous_id, "too_many_pending_steers"
                    )
                    return with_lane(refused, running.create.lane)
                return Steer(running.steering, server_message.steer(given, previous_id))
        return with_lane(server_message.steer_failed(given, previous_id), message.lane)

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
        if len(self._running) + self._preparing + self._waiting >= MAX_IN_FLIGHT:
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
        """Start a request of a lane; one that is refused is over at once."""
        previous_id = create.previous_id
        found = None if previous_id is None else self._history.find(previous_id)
        if previous_id is not None and found is None and not create.store:
            yield from self._refuse(create, not_found(previous_id))
            return
        size = len(create.body) + (0 if found is None else len(found))
        if found is not None and size > LARGE:
            self._tickets += 1
            lane.running = self._tickets
            self._preparing += 1
            then = partial(self._prepared, lane, self._tickets, create)
            failed = partial(self._not_prepared, lane, create)
            yield Computation(size, partial(prepare, create, found), then, failed)
            return
        try:
            prepared = prepare(create, found)
        except GatewayError as error:
            yield from self._refuse(create, error)
            return
        self._tickets += 1
        yield self._run(lane, self._tickets, create, prepared)

    def _prepared(
        self, lane: _Lane, ticket: int, create: Create, prepared: Prepared
    ) -> Sequence[Action]:
        self._preparing -= 1
        return [self._run(lane, ticket, create, prepared)]

    def _not_prepared(self, lane: _Lane, create: Create, error: GatewayError) -> Sequence[Action]:
        self._preparing -= 1
        return [*self._refuse(create, error), *self._free(lane)]

    def _refuse(self, create: Create, error: GatewayError) -> Iterator[Action]:
        if create.previous_id is not None:
            self._history.forget(create.previous_id)
        yield with_lane(server_message.encode_gateway_error(error), create.lane)

    def _run(self, lane: _Lane, ticket: int, create: Create, prepared: Prepared) -> SessionRequest:
        """Return a request that runs from now on."""
        lane.running = ticket
        running = self._running[ticket] = RunningRequest(create, prepared)
        is_expanded = prepared.first is not create.body
        return SessionRequest(
            ticket,
            prepared.first,
            create.lane,
            create.generates,
            create.previous_id,
            create.body if is_expanded else b"",
            running.steering,
        )

    def _free(self, lane: _Lane) -> Iterator[Action]:
        """Start the next request of a lane whose request is over."""
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
            messages.extend(with_lane(event, running.create.lane) for event in running.feed(data))
        except EventTooLargeError as error:
            messages.append(
                self._fail(running, GatewayError(f"The response is unusable: {error}."))
            )
        return messages

    def end(self, ticket: int, error: GatewayError | None = None) -> Sequence[Action]:
        """Return the actions at the end of a reply; see :class:`ISocketSession`."""
        running = self._running[ticket]
        lane, response_id = running.create.lane, running.response_id or ""
        actions: list[Action] = [
            with_lane(
                server_message.steer_failed(given, response_id, "successor_creation_failed"), lane
            )
            for given in running.give_up()
        ]
        if not running.is_over:
            actions.append(self._fail(running, error or incomplete_response_error()))
        actions.extend(self._settle(ticket, running))
        return actions

    def reply(
        self, ticket: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Sequence[Action]:
        """Return the actions for a whole reply; see :class:`ISocketSession`."""
        running = self._running[ticket]
        if status < 400:
            if body.startswith(_EVENTS):
                return [*self.feed(ticket, body), *self.end(ticket)]
            try:
                events = running.end_whole(body)
            except GatewayError as unusable:
                return self.end(ticket, unusable)
            lane = running.create.lane
            return [*(with_lane(event, lane) for event in events), *self.end(ticket)]
        error = server_message.error_of_reply(body)
        if error.get("code") == _NOT_FOUND and running.instead is not None:
            instead, running.instead = running.instead, None
            create = running.create
            steering = running.steering
            return [
                SessionRequest(ticket, instead, create.lane, create.generates, steering=steering)
            ]
        running.is_over = True
        message = server_message.encode_error(error, status, headers)
        return [with_lane(message, running.create.lane), *self.end(ticket)]

    def _fail(self, running: RunningRequest, error: GatewayError) -> bytes:
        running.is_over = True
        return with_lane(server_message.encode_gateway_error(error), running.create.lane)

    def _settle(self, ticket: int, running: RunningRequest) -> Iterator[Action]:
        """Remember a response, or forget the one that could not be continued."""
        final, create, prepared = running.final, running.create, running.prepared
        if final is None:
            if create.previous_id is not None:
                self._history.forget(create.previous_id)
            yield from self._over(ticket)
            return
        # A response without output is not stored: it may be one of the gateway.
        encode = partial(
            encode_memory,
            prepared.body,
            running.output,
            prepared.stored_before,
            is_stored=create.store and create.generates,
        )
        then = partial(self._remember, ticket, final.id)
        if len(prepared.body) > LARGE:
            failed = partial(self._forgotten, ticket)
            yield Computation(len(prepared.body), encode, then, failed)
        else:
            yield from then(encode())

    def _remember(self, ticket: int, response_id: str, memory: bytes) -> Sequence[Action]:
        lane = self._running[ticket].create.lane
        self._history.remember(lane, response_id, memory)
        return list(self._over(ticket))

    def _forgotten(self, ticket: int, error: GatewayError) -> Sequence[Action]:
        """Go on without remembering a response: there is no time for it."""
        return list(self._over(ticket))

    def _over(self, ticket: int) -> Iterator[Action]:
        running = self._running.pop(ticket)
        yield from self._free(self._lanes[running.create.lane])

    # -- the connection -----------------------------------------------------------------

    def keep_alive(self) -> Sequence[Action]:
        """Return messages for silent requests; see :class:`ISocketSession`."""
        messages: list[Action] = []
        for running in self._running.values():
            if running.is_silent and not running.is_over:
                event = server_message.keepalive(running.sequence_number)
                messages.append(with_lane(event, running.create.lane))
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


def _read(text: bytes) -> tuple[ClientMessage, Create | GatewayError | None]:
    """Return a message, with its request or the error in it if it is for a response.

    :raises GatewayError: if it is no message.
    """
    message = client_message.read_message(text)
    if message.type != "response.create":
        return message, None
    try:
        return message, client_message.read_create(message)
    except GatewayError as error:
        return message, error.with_traceback(None)  # it would hold the message
