"""The interface between the web application and the exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import Interface

from antigravity.interfaces.files import PublishedFile
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.ir.record import ExchangeRecord


class IReplyStream(Interface):
    """A streamed reply that the exchange has committed to."""

    def start(consumer: IConsumer) -> Deferred[None]:
        """Write the stream to ``consumer``, and return a Deferred that fires when all is written.

        Registers a push producer with ``consumer`` (``registerProducer(self, True)``), writes,
        and unregisters it.  Called once.  Cancelling the Deferred cancels the upstream at once.
        Errors are written in the protocol's format.  If the response that has begun has no format
        for errors, such as a file, the Deferred fails with the ``GatewayError``: close the
        connection.
        """

    def abandon() -> None:
        """Cancel the upstream request and write nothing more: the client has disconnected."""


class IInterruptibleStream(IReplyStream):
    """A streamed reply that can be ended before its time."""

    def interrupt(error: GatewayError) -> None:
        """Stop the upstream, and end the stream with ``error`` in the protocol's format."""


class Reply(Struct, frozen=True):
    """The reply to one call: a whole ``body``, or a ``stream`` (an :class:`IReplyStream`)."""

    status: int
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: Any = None  # msgspec can't check interfaces

    @classmethod
    def whole(cls, reply: HttpReply, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Return a whole reply of a protocol, with additional headers."""
        return cls(reply.status, reply.content_type, (*reply.headers, *headers), reply.body)


class IExchange(Interface):
    """Serves calls."""

    def handle(protocol: IServerProtocol, call: Call) -> Deferred[Reply]:
        """Serve one call, of any operation.

        Return a Deferred that fires with a :class:`Reply`, also for errors, which are already
        in the protocol's format.  Cancelling it cancels all upstream requests.
        """

    def replay(protocol: IServerProtocol, call: Call, label: str) -> Deferred[Reply]:
        """Serve the call of an earlier request again, as :meth:`handle` does.

        Its record says ``label``, and its payloads are kept if any are.
        """

    def compute(size: int, function: Callable[[], Any]) -> Deferred[Any]:
        """Return a Deferred that fires with the result of a pure function, called in a thread.

        ``size`` is about that of its input in bytes.  It fails with an ``OverloadedError`` if too
        many functions wait for the thread.
        """

    def detect(model: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with the routing of ``model``, as a JSON object.

        It fails with a ``GatewayError`` if no upstream can serve the model.
        """

    def running() -> Sequence[ExchangeRecord]:
        """Return the records of the requests that are being served, oldest first."""

    def cancel(name: str, error: GatewayError) -> bool:
        """End a running request with ``error``; return whether it is running.

        ``name`` is its reference, or an id, which several requests can have: all are ended.
        Its client gets the error in its protocol, and its upstream requests are cancelled.
        """

    def published(name: str) -> Deferred[PublishedFile | None]:
        """Return a Deferred with a published file, ``None`` if there is none or it has expired."""

    def ready() -> bool:
        """Return whether a request could be served now."""

    def status() -> dict[str, object]:
        """Return the reasons for :meth:`ready`, as a small JSON object."""
