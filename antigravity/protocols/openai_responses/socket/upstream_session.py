"""One connection to an upstream that speaks the Responses API over WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.sockets import IUpstreamSession, Resend, UpstreamMessage
from antigravity.ir.call import Body
from antigravity.ir.socket_turn import SocketTurn
from antigravity.protocols.openai_responses.socket.error_message import ErrorMessage, read_error
from antigravity.protocols.openai_responses.socket.upstream_message import (
    MessageHead,
    encode_create,
    encode_for_stream,
)

#: Requests that an upstream serves at a time, and the lanes whose last responses are remembered.
MAX_IN_FLIGHT: Final = 16
_MAX_REMEMBERED: Final = 33
#: Bytes of messages that are held until it is clear whether the request is refused.
_MAX_HELD: Final = 64 * 1024
_GOOD_ENDS: Final = ("response.completed", "response.incomplete")
_ENDS: Final = (*_GOOD_ENDS, "response.failed", "response.cancelled", "error")
#: What became of input that no response continues with.
_STEER_ENDS: Final = ("response.steer.failed", "response.steer.pending")
#: The connection is too old, or has too many requests or lanes.
_CONNECTION_LIMITS: Final = (
    "websocket_connection_limit_reached",
    "websocket_stream_limit_reached",
)
_HEAD: Final = msgspec.json.Decoder(MessageHead).decode


class _Response(Struct, frozen=True):
    id: Any = None


class _End(Struct):
    response: _Response = _Response()


class _Run:
    """One request that is running."""

    def __init__(self, turn: SocketTurn, lane: str | None, *, continues: bool) -> None:
        self.turn = turn
        self.lane = lane
        self.continues = continues
        self.has_begun = self.has_ended = False
        #: Input for the running response of which the upstream has not reported what became of it.
        self.steers = 0
        self.is_abandoned = False
        self.held = b""


@implementer(IUpstreamSession)
class UpstreamSession:
    """The requests of one connection, and the last response of each lane."""

    def __init__(self) -> None:
        self.has_lanes: bool | None = None
        self._runs: dict[int, _Run] = {}
        self._last: dict[str | None, str] = {}
        self._tickets = 0

    @property
    def in_flight(self) -> int:
        """How many requests are running, those of no interest too."""
        return len(self._runs)

    def can_continue(self, turn: SocketTurn) -> bool:
        """Return whether the response is remembered; see :class:`IUpstreamSession`."""
        return turn.previous_id is not None and turn.previous_id in self._last.values()

    def is_free_for(self, turn: SocketTurn, *, has_lanes: bool) -> bool:
        """Return whether a request can be sent now; see :class:`IUpstreamSession`."""
        if not self._runs:
            return True
        if not has_lanes or len(self._runs) >= MAX_IN_FLIGHT:
            return False
        return all(run.lane != turn.lane for run in self._runs.values())

    def open(
        self, turn: SocketTurn, body: Body, *, with_lane: bool, continues: bool
    ) -> tuple[int, Sequence[bytes | memoryview]]:
        """Return the ticket and the message of a request; see :class:`IUpstreamSession`.

        :raises InvalidRequestError: if the body is not an object.
        """
        lane = turn.lane if with_lane else None
        message = encode_create(body, lane, generates=turn.generates)
        self._tickets += 1
        self._runs[self._tickets] = _Run(turn, lane, continues=continues)
        return self._tickets, message

    def steer(self, ticket: int, text: bytes) -> bytes:
        """Return the message with input; see :class:`IUpstreamSession`."""
        self._runs[ticket].steers += 1
        return text

    def abandon(self, ticket: int) -> None:
        """Drop what else is received for a request; see :class:`IUpstreamSession`."""
        run = self._runs.get(ticket)
        if run is not None:
            run.is_abandoned = True

    # -- messages -----------------------------------------------------------------------

    def receive(self, text: bytes) -> Sequence[UpstreamMessage]:
        """Return what a message means for a request; see :class:`IUpstreamSession`."""
        try:
            head = _HEAD(text)
        except (msgspec.DecodeError, RecursionError):
            head = MessageHead()
        kind = head.type if isinstance(head.type, str) else ""
        ticket = self._find(head.stream_id, is_event=kind.startswith("response."))
        if ticket is None:
            return ()
        run = self._runs[ticket]
        is_last = self._is_last(run, kind, text)
        if is_last:
            del self._runs[ticket]
        if run.is_abandoned:
            return ()
        if kind == "error" and not run.has_begun:
            return (self._refusal(ticket, run, text),)
        data = encode_for_stream(kind, text)
        if not run.has_begun:
            if kind and not kind.startswith("response."):
                if len(run.held) + len(data) <= _MAX_HELD:
                    run.held += data
                return ()
            run.has_begun = True
            data, run.held = run.held + data, b""
        return (UpstreamMessage(ticket, data, is_last),)

    def _find(self, lane: object, *, is_event: bool) -> int | None:
        """Return the ticket of the request that a message is for."""
        if isinstance(lane, str):
            for ticket, run in self._runs.items():
                if run.lane == lane:
                    self.has_lanes = True
                    return ticket
            return None
        for ticket, run in self._runs.items():
            if run.lane is None:
                return ticket
        if len(self._runs) != 1:
            return None
        (only,) = self._runs
        if is_event and self.has_lanes is None:
            self.has_lanes = False  # it ignores lanes
        return only

    def _is_last(self, run: _Run, kind: str, text: bytes) -> bool:
        """Return whether a message ends a request.

        After the end of a response that was steered, there is another one, or the upstream says
        what became of the input.
        """
        if kind in _ENDS:
            self._end(run, kind, text)
            run.has_ended = True
            return not run.steers or kind == "error"
        if kind == "response.created" and run.has_ended:
            run.has_ended, run.steers = False, 0  # it continues with all input
        elif kind in _STEER_ENDS:
            run.steers = max(0, run.steers - 1)
            return run.has_ended and not run.steers
        return False

    def _end(self, run: _Run, kind: str, text: bytes) -> None:
        """Remember a response that can be continued, and forget one that could not be."""
        response_id = None
        if kind in _GOOD_ENDS and not run.is_abandoned:
            try:
                response_id = msgspec.json.decode(text, type=_End).response.id
            except (msgspec.DecodeError, RecursionError):
                response_id = None
        if isinstance(response_id, str) and response_id:
            self._last.pop(run.lane, None)
            self._last[run.lane] = response_id
            while len(self._last) > _MAX_REMEMBERED:
                del self._last[next(iter(self._last))]
        elif run.turn.previous_id is not None:
            previous_id = run.turn.previous_id
            self._last = {lane: each for lane, each in self._last.items() if each != previous_id}

    def _refusal(self, ticket: int, run: _Run, text: bytes) -> UpstreamMessage:
        found = read_error(text)
        resend = self._resend(run, found)
        body = msgspec.json.encode({"error": found.error})
        return UpstreamMessage(
            ticket,
            body,
            is_last=True,
            status=found.status,
            headers=found.headers,
            resend=resend,
        )

    def _resend(self, run: _Run, found: ErrorMessage) -> Resend:
        """Return how a refused request may succeed."""
        code, param = found.error.get("code"), found.error.get("param")
        if code == "previous_response_not_found" and run.continues:
            return "whole"
        if code in _CONNECTION_LIMITS:
            return "new_connection"
        names_lane = param == "stream_id" or "stream_id" in str(found.error.get("message"))
        if run.lane is not None and found.status == 400 and names_lane:
            self.has_lanes = False
            return "without_lane"
        return ""
