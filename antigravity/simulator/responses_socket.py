"""The Responses API over WebSocket, by Twisted's own implementation where it has one."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request
from zope.interface import implementer

from antigravity.simulator.errors import ApiError, openai_error
from antigravity.simulator.parsers.responses import items_of
from antigravity.simulator.request_handler import Call, ConnectionTurn
from antigravity.simulator.responder import Result
from antigravity.simulator.socket_reply import SocketReply
from antigravity.simulator.state import LoggedRequest, State
from antigravity.simulator.steer_input import find_missing, read_steering
from antigravity.simulator.view import compact

#: Requests of a connection at a time, and names of lanes.
MAX_IN_FLIGHT: Final = 16
MAX_LANES: Final = 32
#: Members that only requests over HTTP have.
_ONLY_HTTP: Final = ("stream", "stream_options", "background")
_UNSUPPORTED_DATA: Final = 1003
_LIMIT: Final = "websocket_stream_limit_reached"

Respond = Callable[[Call], Result]


def is_upgrade(headers: dict[str, str]) -> bool:
    """Return whether a request asks for WebSocket."""
    return headers.get("upgrade", "").lower() == "websocket"


def upgrade(state: State, respond: Respond, call: Call) -> IResource:
    """Return the resource that accepts the handshake of ``call``.

    :raises ApiError: if the simulator refuses it.
    """
    rules = state.socket_rules
    if rules.refuse_with:
        raise ApiError(rules.refuse_with, "WebSocket is not served here.")
    try:
        from twisted.web.websocket import WebSocketResource
    except ImportError:
        raise ApiError(426, "This version of Twisted has no WebSocket.") from None
    resource: IResource = WebSocketResource(_Factory(state, respond, call))
    return resource


class _Factory:
    def __init__(self, state: State, respond: Respond, call: Call) -> None:
        self._make: Callable[[], ResponsesSocket] = partial(
            ResponsesSocket, state, respond, call.headers, call.key
        )

    def buildProtocol(self, request: Request) -> ResponsesSocket:
        return self._make()


@dataclass
class _Lane:
    running: SocketReply | None = None
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    last: str = ""


@implementer(IPushProducer)
class ResponsesSocket:
    """One connection: its lanes, and the last response of each."""

    def __init__(self, state: State, respond: Respond, headers: dict[str, str], key: str) -> None:
        self.is_full = False
        self._state = state
        self._respond = respond
        self._headers = headers
        self._key = key
        self._opened = state.seconds()
        self._lanes: dict[str | None, _Lane] = {}
        self._responses: dict[str, list[Any]] = {}
        #: Input that the next request gets which continues a response.
        self._queued: dict[str, list[Any]] = {}
        self._running: dict[SocketReply, Deferred[None]] = {}
        self._transport: Any = None

    # -- Twisted ------------------------------------------------------------------------

    def negotiationStarted(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def negotiationFinished(self) -> None:
        """Let the client's pace rule the responses."""
        self._transport.detachProducer()  # the HTTP connection that this one was
        self._transport.attachProducer(self)
        self._state.sockets.add(self)

    def pongReceived(self, payload: bytes) -> None:
        """Do nothing: no ping is sent."""

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """Refuse a message that is not text."""
        self._transport.loseConnection(_UNSUPPORTED_DATA)

    def textMessageReceived(self, text: str) -> None:
        """Handle a message."""
        lane = None
        try:
            message = json.loads(text)
            if not isinstance(message, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            self._refuse(ApiError(400, "The message is not a JSON object."), None)
            return
        self._state.record(
            LoggedRequest("MESSAGE", "/v1/responses", "", self._headers, message), len(text)
        )
        try:
            lane = self._read_lane(message)
            self._handle(message, lane)
        except ApiError as error:
            self._refuse(error, lane)

    def connectionLost(self, reason: Failure) -> None:
        """Cancel all responses."""
        self._state.sockets.discard(self)
        running, self._running = self._running, {}
        for waiting in running.values():
            waiting.cancel()

    def pauseProducing(self) -> None:
        """Stop all responses: the client does not read fast enough."""
        self.is_full = True
        for reply in list(self._running):
            if reply.producer is not None:
                reply.producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on."""
        self.is_full = False
        for reply in list(self._running):
            if reply.producer is not None:
                reply.producer.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: the loss of the connection is reported, too."""

    def abort(self) -> None:
        """Break the connection off, after what was written."""
        self._transport.transport.loseConnection()

    # -- messages -----------------------------------------------------------------------

    def send(self, value: Any, lane: str | None) -> None:
        """Send a message."""
        if isinstance(value, dict) and lane is not None:
            value = {**value, "stream_id": lane}
        self._transport.sendTextMessage(value if isinstance(value, str) else compact(value))

    def _refuse(self, error: ApiError, lane: str | None) -> None:
        self._state.stats.refused += 1
        rendered = openai_error(error)
        body = rendered.body if isinstance(rendered.body, dict) else {}
        message: dict[str, Any] = {"type": "error", "status": error.status, **body}
        if rendered.headers:
            message["headers"] = dict(rendered.headers)
        self.send(message, lane)

    def _read_lane(self, message: dict[str, Any]) -> str | None:
        """Return the name of the lane of a message.

        :raises ApiError: if it is not valid, or there are too many.
        """
        if "stream_id" not in message:
            return None
        lane = message["stream_id"]
        if not self._state.socket_rules.lanes:
            raise ApiError(
                400,
                "Unsupported parameter: 'stream_id'.",
                param="stream_id",
                code="unsupported_parameter",
            )
        if not isinstance(lane, str) or not 0 < len(lane) <= 256:
            raise ApiError(400, "Invalid 'stream_id'.", param="stream_id")
        named = self._lanes.keys() - {None}
        if lane not in named and len(named) >= MAX_LANES:
            raise ApiError(400, f"There can be {MAX_LANES} lanes.", code=_LIMIT)
        return lane

    def _handle(self, message: dict[str, Any], name: str | None) -> None:
        kind = message.get("type")
        if kind == "response.processed":
            return
        if kind == "response.steer":
            self._steer(message)
            return
        if kind != "response.create":
            raise ApiError(400, f"Invalid value: {kind!r}.", param="type", code="invalid_value")
        lane = self._lanes.setdefault(name, _Lane())
        in_flight = sum(
            (each.running is not None) + len(each.waiting) for each in self._lanes.values()
        )
        if in_flight >= MAX_IN_FLIGHT:
            raise ApiError(400, f"There can be {MAX_IN_FLIGHT} requests.", code=_LIMIT)
        if lane.running is not None:
            lane.waiting.append(message)
        else:
            self._start(message, name)

    # -- steering -----------------------------------------------------------------------

    def _steer(self, message: dict[str, Any]) -> None:
        """Queue input for a response that is running."""
        for name, lane in self._lanes.items():
            reply = lane.running
            if reply is None or reply.remembered is None:
                continue
            if reply.remembered[0] == message.get("previous_response_id"):
                problem, items = read_steering(message, len(reply.steers))
                if problem:
                    self._refuse_steering(message, problem, name)
                    return
                steer_id = f"steer_{self._state.next_number():08d}"
                reply.steers.append((steer_id, items))
                self._report_steer("accepted", steer_id, message["previous_response_id"], name)
                return
        self._refuse_steering(message, "response_not_found", None)

    def _report_steer(
        self, what: str, steer_id: str, name: str, lane: str | None, **more: Any
    ) -> None:
        steer = {"id": steer_id, "previous_response_id": name}
        event = {"type": f"response.steer.{what}", "sequence_number": 0, "steer": steer}
        self.send({**event, **more}, lane)

    def _refuse_steering(self, message: dict[str, Any], code: str, lane: str | None) -> None:
        steer = {name: message.get(name) for name in ("input", "previous_response_id")}
        error = {
            "code": code,
            "message": "This response cannot be steered.",
            "type": "invalid_request_error",
        }
        failed = {"type": "response.steer.failed", "sequence_number": 0}
        self.send({**failed, "error": error, "steer": steer}, lane)

    def _continue(self, reply: SocketReply, items: list[Any], name: str | None) -> None:
        """Continue a response with the input for it, or say what is missing for that."""
        assert reply.remembered is not None
        response_id = reply.remembered[0]
        given = [item for _, each in reply.steers for item in each]
        missing = find_missing(items)
        if missing:
            self._queued[response_id] = given
            for steer_id, _ in reply.steers:
                self._report_steer(
                    "pending",
                    steer_id,
                    response_id,
                    name,
                    reason="waiting_for_required_input",
                    required_input=missing,
                )
            self._next(name)
            return
        self._start({**reply.message, "input": given, "previous_response_id": response_id}, name)

    def _with_steers(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the input that waits for it."""
        queued = self._queued.pop(str(message.get("previous_response_id")), None)
        if queued is None:
            return message
        return {**message, "input": [*queued, *items_of(message.get("input"))]}

    # -- requests -----------------------------------------------------------------------

    def _start(self, message: dict[str, Any], name: str | None) -> None:
        """Serve a request; a continuation that fails forgets what it continues."""
        lane = self._lanes[name]
        message = self._with_steers(message)
        reply = SocketReply(self, name, message)
        try:
            result = self._respond(self._read_create(message, reply))
        except ApiError as error:
            self._responses.pop(str(message.get("previous_response_id")), None)
            self._refuse(error, name)
            self._next(name)
            return
        if isinstance(result, bytes):
            self.send(result.decode(), name)
            self._ended(None, reply, name)
            return
        lane.running = reply
        self._running[reply] = result
        result.addBoth(self._ended, reply, name)

    def _read_create(self, message: dict[str, Any], reply: SocketReply) -> Call:
        """Return the call of a request.

        :raises ApiError: if it has what only HTTP has, or the connection is too old.
        """
        for name in _ONLY_HTTP:
            if name in message:
                raise ApiError(
                    400,
                    f"Unsupported parameter: '{name}'.",
                    param=name,
                    code="unsupported_parameter",
                )
        if self._state.seconds() - self._opened >= self._state.socket_rules.max_age:
            raise ApiError(
                400,
                "Responses websocket connection limit reached (60 minutes). Create a new "
                "websocket connection to continue.",
                code="websocket_connection_limit_reached",
            )
        generate = message.get("generate", True)
        if not isinstance(generate, bool):
            raise ApiError(400, "Invalid type for 'generate'.", param="generate")
        own = ("type", "stream_id", "generate")
        body = {name: value for name, value in message.items() if name not in own}
        options = body.get("prompt_cache_options")
        if isinstance(options, dict) and options.get("prewarm") is True:
            generate = False
        turn = ConnectionTurn(self._responses.get, reply.remember, generate)
        as_request: Any = reply
        return Call(as_request, self._headers, {**body, "stream": True}, self._key, turn)

    def _ended(self, result: Any, reply: SocketReply, name: str | None) -> None:
        """Remember the response in place of the lane's last one, and go on."""
        if isinstance(result, Failure):
            result.trap(CancelledError)
        lane = self._lanes[name]
        lane.running = None
        self._running.pop(reply, None)
        if isinstance(result, Failure):
            return  # the connection is lost
        if reply.remembered is not None:
            self._responses.pop(lane.last, None)
            lane.last, items = reply.remembered
            self._responses[lane.last] = items
            if reply.steers:
                self._continue(reply, items, name)
                return
        self._next(name)

    def _next(self, name: str | None) -> None:
        lane = self._lanes[name]
        if lane.waiting and lane.running is None:
            self._start(lane.waiting.popleft(), name)
