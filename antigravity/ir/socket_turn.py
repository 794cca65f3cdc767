"""What a request that came over a WebSocket connection has besides a request over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field


class SocketOwner(Protocol):
    """The connection of a client."""

    @property
    def id(self) -> str:
        """A name that no other connection has."""

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call ``call`` once when the connection is lost, at once if it is lost already."""


class Steering:
    """Takes input for a response that is running.

    :ivar send: sends a message of the client to the upstream; ``None`` if it takes none.
    """

    __slots__ = ("send",)

    def __init__(self) -> None:
        self.send: Callable[[bytes], None] | None = None


class SocketTurn(Struct, frozen=True):
    """A request of a client's connection, for upstreams that are connected in the same way.

    ``lane`` is the client's name for requests that follow each other.  ``generates`` is false for
    a request that only prepares the next one: it has no output.

    The body of the call has the whole conversation.  If the client continues a response, then
    ``previous_id`` is the id of that response, and ``continuation`` the body that the client sent:
    with what is new.  ``steering`` takes input while the response is running.
    """

    owner: SocketOwner
    lane: str | None = None
    generates: bool = True
    previous_id: str | None = None
    continuation: bytes = b""
    steering: Steering = field(default_factory=Steering)

    def __repr__(self) -> str:
        """Return the lane without the content."""
        return f"<SocketTurn in lane {self.lane!r}>"
