"""The transport of messages between the gateway and a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.mcp.protocol.messages import Message, RequestId

#: A receiver of a message, and of the id of the request on whose stream it arrived, if known.
Receive = Callable[[Message, RequestId | None], None]


class OutgoingMessage(Struct, frozen=True):
    """A message to a server.

    ``id`` is that of a request, ``None`` for other messages.  ``headers`` are for HTTP.  The
    response to an ``endless`` request marks the end of its notifications.
    """

    data: bytes
    id: RequestId | None = None
    headers: tuple[tuple[str, str], ...] = ()
    endless: bool = False


class Channel(Protocol):
    """A transport of messages in both directions.

    :ivar lost: fires with the reason when no message can be sent any more; never if every
        message has a connection of its own.
    :ivar has_headers: whether messages have HTTP headers, and end with their connection.
    """

    lost: Deferred[str]
    has_headers: bool

    def send(self, message: OutgoingMessage) -> Deferred[None]:
        """Send a message.

        Return a Deferred that fires when it is sent and, for a request, its response has been
        received.  It fails with a ``GatewayError`` if it cannot be sent or gets no response.
        """

    def agreed(self, version: str) -> None:
        """Use ``version`` as the revision of the session."""

    def listen(self) -> Deferred[bool]:
        """Listen once for messages that the server sends on its own, if that takes a request.

        Return a Deferred that fires with whether to listen again.
        """

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when everything has ended."""
