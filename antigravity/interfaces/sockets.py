"""The interface between connections that carry messages and the protocols spoken on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.ir.errors import GatewayError


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
    reply was reported takes its place.
    """

    ticket: int
    body: bytes


#: What a session wants: send a message (JSON text), or serve a request.
Action = bytes | SessionRequest


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
