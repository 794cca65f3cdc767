"""One connection to a server, whatever it goes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.mcp.protocol.messages import Message, RequestId

#: Gets a message, and the id of the request on whose stream it came, if that is known.
Receive = Callable[[Message, RequestId | None], None]


class OutgoingMessage(Struct, frozen=True):
    """A message as it goes out.

    ``id`` is that of a request.  ``headers`` are for HTTP.  ``endless`` requests are answered
    when nothing more will come.
    """

    data: bytes
    id: RequestId | None = None
    headers: tuple[tuple[str, str], ...] = ()
    endless: bool = False


class Channel(Protocol):
    """Carries messages both ways.

    :ivar lost: fires with the reason when nothing can be sent any more; never where every
        message has a connection of its own.
    :ivar has_headers: whether messages have HTTP headers, and end with their connection.
    """

    lost: Deferred[str]
    has_headers: bool

    def send(self, message: OutgoingMessage) -> Deferred[None]:
        """Send a message.

        Return a Deferred that fires when it is gone and, if it is a request, answered.  It
        fails with a ``GatewayError`` if that will not be.
        """

    def agreed(self, version: str) -> None:
        """Note the revision of the session."""

    def listen(self) -> Deferred[bool]:
        """Listen once for what the server says of itself, where that needs to be asked for.

        Return a Deferred that fires with whether it makes sense to do so again.
        """

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when everything has ended."""
