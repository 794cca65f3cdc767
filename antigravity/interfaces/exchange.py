"""The life of one request, as the web application sees it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import Interface

from antigravity.interfaces.files import PublishedFile
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Call, HttpReply


class IReplyStream(Interface):
    """A streamed reply that the exchange has committed to."""

    def start(consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``, and return a Deferred that fires when all is written.

        Registers a push producer with ``consumer`` (``registerProducer(self, True)``), writes,
        and unregisters it.  Called once.  Cancelling the Deferred cancels the upstream at once.
        Errors are written in the protocol's shape.  Where that has none for what has begun, a
        file say, it fails with the ``GatewayError``: the connection has to be broken off.
        """

    def abandon() -> None:
        """Stop the upstream, and write nothing (more): nobody is there to read it."""


class Reply(Struct, frozen=True):
    """The answer to one call: whole in ``body``, or a ``stream`` (an :class:`IReplyStream`)."""

    status: int
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: Any = None  # msgspec can't check interfaces

    @classmethod
    def whole(cls, reply: HttpReply, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Return what a protocol has encoded, with some more headers."""
        return cls(reply.status, reply.content_type, (*reply.headers, *headers), reply.body)


class IExchange(Interface):
    """Serves calls."""

    def handle(protocol: IServerProtocol, call: Call) -> Deferred[Reply]:
        """Serve one call, of any operation.

        Return a Deferred that fires with a :class:`Reply`, also for errors, which are already
        in the protocol's shape.  Cancelling it cancels everything upstream.
        """

    def detect(model: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with how ``model`` would be served, as a JSON object.

        It fails with a ``GatewayError`` if it would not be.
        """

    def published(name: str) -> PublishedFile | None:
        """Return a file that an answer has given an address of, while it is kept."""

    def ready() -> bool:
        """Return whether a request could be served now."""

    def status() -> dict[str, object]:
        """Return the reasons for :meth:`ready`, as a small JSON object."""
