"""The HTTP client for upstreams, with limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from zope.interface import Interface

from antigravity.interfaces.sockets import IUpstreamSession
from antigravity.ir.call import Body
from antigravity.ir.socket_turn import SocketTurn


class Timeouts(Struct, frozen=True):
    """Limits in seconds; 0 disables one.

    ``connect`` for the connection, ``first_byte`` until the response headers, ``idle``
    between two reads of the body, ``total`` for the whole exchange.
    """

    connect: float = 20.0
    first_byte: float = 300.0
    idle: float = 300.0
    total: float = 0.0


#: The code of the ``UnavailableError`` for a request that can only be sent over WebSocket, to a
#: server that does not speak it.
NO_SOCKET: Final = "no_socket"


class SocketUse(Struct, frozen=True):
    """How a request can be sent as a message over a WebSocket connection to the same address.

    Requests with the same ``key`` share connections.  ``continuation`` is the body for a connection
    over which the response was received that ``turn`` continues; it is empty if there is none.
    ``make_session`` makes the protocol's state of a new connection.
    """

    key: str
    turn: SocketTurn
    continuation: Body
    make_session: Callable[[], IUpstreamSession]


class OutgoingRequest(Struct, frozen=True):
    """One HTTP request to an upstream.  Header values may be secret: there is no repr.

    With ``socket``, it is sent over WebSocket where the upstream agrees to that.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Body = b""
    timeouts: Timeouts = Timeouts()
    proxy: str | None = None
    socket: SocketUse | None = None

    def __repr__(self) -> str:
        return f"<OutgoingRequest {self.method} {self.url.partition('?')[0]}>"


class IIncomingResponse(Interface):
    """An upstream's response whose body has not been read yet.

    Exactly one of :meth:`deliver`, :meth:`collect` and :meth:`abort` must be called first.
    """

    def status() -> int:
        """Return the status code."""

    def headers() -> Mapping[str, str]:
        """Return the headers, names in lower case, the last value of each."""

    def values(name: str) -> Sequence[str]:
        """Return all values of a header."""

    def deliver(protocol: IProtocol) -> None:
        """Deliver the body to ``protocol``; its transport can be paused, resumed and stopped.

        ``connectionLost`` gets ``ResponseDone``, or a failure with a ``GatewayError`` that
        says what went wrong (cut, idle, deadline).
        """

    def collect(limit: int) -> Deferred[bytes]:
        """Return a Deferred that fires with the body.

        It fails with ``UpstreamError`` if the body is larger than ``limit`` bytes or breaks
        off.  Cancelling it closes the connection.
        """

    def abort() -> None:
        """Close the connection without reading the body."""


class IHttpTransport(Interface):
    """Sends requests to upstreams over a pool of connections."""

    def send(request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that fires with the response once its headers are in.

        It fails with ``UpstreamError`` (no connection, malformed response) or ``DeadlineError``.
        Cancelling it closes the connection within one reactor turn.

        A response over WebSocket looks like one over HTTP: a stream of events, or the status and
        the body of the error that came instead.
        """

    def close() -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""


class FetchedFile(Struct, frozen=True):
    """A file from the web."""

    mime_type: str
    data: bytes


class IMediaFetcher(Interface):
    """Fetches files that a client's request refers to, but not from the operator's network."""

    def fetch(url: str) -> Deferred[FetchedFile]:
        """Return a Deferred that fires with the file.

        It fails with ``InvalidRequestError`` for an address that must not be reached (not
        http or https, private, loopback, link-local), for a file that is too large, and for
        a response that is not a file.
        """
