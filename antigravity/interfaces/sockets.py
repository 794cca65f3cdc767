"""The interfaces between connections that carry messages and the protocols spoken on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field
from zope.interface import Attribute, Interface

from antigravity.ir.call import Body
from antigravity.ir.errors import GatewayError
from antigravity.ir.socket_turn import SocketTurn, Steering


class HistoryStore(Protocol):
    """A bounded store of byte strings; it may forget any of them at any time."""

    def get(self, key: str) -> bytes | None:
        """Return the value of ``key``, ``None`` if it is missing."""

    def put(self, key: str, value: bytes) -> bool:
        """Store ``value``; return false if it is too large."""

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""


class SessionRequest(Struct, frozen=True):
    """A request that must be served now, as if its body had been posted.

    ``ticket`` names it in the calls that report its reply.  A request with the ticket of one whose
    reply was reported takes its place.  The other fields are those of a :class:`SocketTurn`.
    """

    ticket: int
    body: bytes
    lane: str | None = None
    generates: bool = True
    previous_id: str | None = None
    continuation: bytes = b""
    steering: Steering = field(default_factory=Steering)


class Steer(Struct, frozen=True):
    """A message for the response that is running, which its upstream takes."""

    steering: Steering
    text: bytes


class Computation(Struct, frozen=True):
    """A pure function that takes too long for the event loop, and what to do with its result.

    Until then, no further message is read from the client.  ``size`` is that of the job in bytes.
    ``failed`` is called with the error of the function, or with one that says why it was not
    called.
    """

    size: int
    function: Callable[[], Any]
    then: Callable[[Any], Sequence[Action]]
    failed: Callable[[GatewayError], Sequence[Action]]


#: What a session wants: send a message (JSON text), serve a request, pass a message on to the
#: upstream of one, or compute something.
Action = bytes | SessionRequest | Steer | Computation


class ISocketSession(Interface):
    """The state of one connection of a protocol, without its input and output.

    The methods return what to do next, in this order.  None of them raises an exception for
    anything that a client or an upstream sends.
    """

    is_busy = Attribute("Whether a request is running or waiting.  :type: bool")

    def receive(text: bytes) -> Sequence[Action]:
        """Return the actions for a message of the client, which is UTF-8."""

    def receive_binary() -> Sequence[Action]:
        """Return the actions for a message that is not text."""

    def feed(ticket: int, data: bytes) -> Sequence[Action]:
        """Return the messages for a piece of the streamed reply to a request."""

    def end(ticket: int, error: GatewayError | None = None) -> Sequence[Action]:
        """Return the actions at the end of a streamed reply.

        :param error: why it ended early, or why there was none.
        """

    def reply(
        ticket: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Sequence[Action]:
        """Return the actions for a whole reply, of an error mostly."""

    def keep_alive() -> Sequence[Action]:
        """Return a message for each running request without one since the last call."""

    def refuse_requests(error: GatewayError) -> Sequence[Action]:
        """Refuse requests from now on, also those that wait, and return the messages about it."""

    def refusal(error: GatewayError) -> bytes:
        """Return the message about an error that belongs to no request."""

    def close() -> None:
        """Forget everything: the connection is lost."""


class SessionContext(Struct, frozen=True):
    """What a session needs of the gateway.

    ``connection_id`` is unique among the connections that share ``history``.  ``new_id`` returns a
    new id with a prefix; ``now`` the time in seconds since the epoch.  ``max_waiting_bytes`` bounds
    the requests that wait for others; 0 is no limit.
    """

    connection_id: str
    history: HistoryStore
    new_id: Callable[[str], str]
    now: Callable[[], float]
    max_waiting_bytes: int = 0


#: Makes the session of a connection, an :class:`ISocketSession`.
SessionFactory = Callable[[SessionContext], Any]


#: How the same request can be sent again, of which the upstream has read nothing but its form:
#: with the whole conversation, without a lane, or over a new connection.
Resend = Literal["", "whole", "without_lane", "new_connection"]


class UpstreamMessage(Struct, frozen=True):
    """What a message of an upstream means for one request.

    ``data`` are bytes of a stream of server-sent events.  With a ``status`` the request is refused:
    ``data`` is the body of the error, and ``headers`` go with it.  ``resend`` says how the request
    may succeed instead.  ``is_last`` says that nothing follows.
    """

    ticket: int
    data: bytes = b""
    is_last: bool = False
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    resend: Resend = ""


class IUpstreamSession(Interface):
    """The state of one connection to an upstream, without its input and output."""

    in_flight = Attribute("How many requests are running, those of no interest too.  :type: int")
    has_lanes = Attribute(
        "Whether the upstream answers requests of several lanes at a time, ``None`` if that is not "
        "known yet.  :type: bool | None"
    )

    def can_continue(turn: SocketTurn) -> bool:
        """Return whether the connection remembers the response that ``turn`` continues."""

    def is_free_for(turn: SocketTurn, *, has_lanes: bool) -> bool:
        """Return whether a request can be sent now, given whether the upstream has lanes."""

    def open(
        turn: SocketTurn, body: Body, *, with_lane: bool, continues: bool
    ) -> tuple[int, Sequence[bytes | memoryview]]:
        """Return the ticket of a request, and the parts of the message to send.

        ``continues`` says that ``body`` has only what is new.

        :raises InvalidRequestError: if the body is not a JSON object.
        """

    def receive(text: bytes) -> Sequence[UpstreamMessage]:
        """Return what a message means; it is dropped if it belongs to no request."""

    def steer(ticket: int, text: bytes) -> bytes:
        """Return the message with input for a response that is running.

        The request is then over when the upstream has said what became of the input.
        """

    def abandon(ticket: int) -> None:
        """Drop what else is received for a request, and continue nothing from it."""
