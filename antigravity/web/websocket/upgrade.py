"""Turns an HTTP request into a WebSocket connection."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import binascii
from base64 import b64decode
from os import urandom
from time import time
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from wsproto.utilities import generate_accept_token

from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.sockets import SessionContext, SessionRequest
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import (
    GatewayError,
    InvalidRequestError,
    UnavailableError,
    UpgradeRequiredError,
)
from antigravity.ir.socket_turn import SocketTurn
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.request_head import RequestHead
from antigravity.web.websocket.connection import WebSocketConnection
from antigravity.web.websocket.histories import ClientHistories
from antigravity.web.websocket.requests import SocketRequests
from antigravity.websocket.deflate import negotiate
from antigravity.websocket.framer import Framer

_VERSION: Final = "13"
#: Messages from this size on are compressed for clients on other machines.
_COMPRESS_FROM: Final = 1024
_KEY_BYTES: Final = 16
#: Connections of which the last responses are remembered, times their lanes.
_MOST_REMEMBERED: Final = 4096
#: Seconds for which they are remembered if the age of connections is not limited.
_REMEMBERED: Final = 24 * 3600.0
#: The most characters of an id of a handshake in those of its requests.
_ID_LENGTH: Final = 100
#: Headers that belong to the handshake, not to the requests after it.
_HANDSHAKE: Final = "sec-websocket-"
_BETA: Final = "openai-beta"
#: Values of that header which say that a connection is over WebSocket.
_SOCKET_BETAS: Final = "responses_websockets="
#: The name by which some clients ask for the protocol.
_SUBPROTOCOL: Final = "openai-beta.responses.v1"


def upgrade(
    request: GatewayRequest, protocol: IServerProtocol, route: Route, exchange: IExchange
) -> None:
    """Agree to WebSocket; each message is then served like a request to ``route``.

    :raises GatewayError: if the handshake is not valid.
    """
    channel = request.channel
    assert channel is not None
    site, head = channel.site, request.head
    if site.is_closing:
        raise UnavailableError("The gateway is shutting down; try again.")
    key = _check(request, head)
    limits = site.admission.limits
    settings = limits.websocket
    limit = site.admission.body_limit(head)
    deflate = negotiate(_field(request, "Sec-WebSocket-Extensions"))
    framer = Framer(limit, deflate, 0 if head.loopback else _COMPRESS_FROM)
    context = SessionContext(
        connection_id=urandom(12).hex(),
        history=_histories(site, settings.max_history_bytes, settings.max_age).store_for(
            head.principal
        ),
        new_id=_new_id,
        now=time,
        max_waiting_bytes=limit,
    )
    make_session = protocol.traits.socket_session
    serve = _Requests(request, head, protocol, route, exchange)

    def make_messages(connection: WebSocketConnection) -> SocketRequests:
        session = make_session(context)
        return SocketRequests(connection, session, serve, serve.explain, exchange.compute)

    connection = WebSocketConnection(
        channel,
        framer,
        settings.ping_interval,
        settings.max_age,
        make_messages,
        context.connection_id,
    )
    serve.owner = connection
    accepted = [
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Accept", generate_accept_token(key.encode()).decode()),
    ]
    if deflate is not None:
        accepted.append(("Sec-WebSocket-Extensions", deflate.response))
    if _SUBPROTOCOL in map(str.strip, _field(request, "Sec-WebSocket-Protocol").split(",")):
        accepted.append(("Sec-WebSocket-Protocol", _SUBPROTOCOL))
    request.switch_protocol(connection, accepted)


def _check(request: GatewayRequest, head: RequestHead) -> str:
    """Return the key of a valid handshake.

    :raises GatewayError: if it is not one.
    """
    if head.method != "GET" or head.version != "HTTP/1.1":
        raise InvalidRequestError("WebSocket needs a GET request over HTTP/1.1.")
    tokens = {
        token.strip().lower()
        for value in head.framing.get("connection", ())
        for token in value.split(",")
    }
    if "upgrade" not in tokens:
        raise InvalidRequestError("The header Connection must contain Upgrade.")
    if _field(request, "Sec-WebSocket-Version") != _VERSION:
        request.set_headers((("Sec-WebSocket-Version", _VERSION),))
        raise UpgradeRequiredError(f"Only version {_VERSION} of WebSocket is supported.")
    key = _field(request, "Sec-WebSocket-Key")
    try:
        is_valid = len(b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        is_valid = False
    if not is_valid:
        raise InvalidRequestError("The header Sec-WebSocket-Key is not 16 bytes in Base64.")
    if request.pop_body():
        raise InvalidRequestError("The handshake must have no body.")
    return key


def _field(request: GatewayRequest, name: str) -> str:
    """Return all values of a header, as one."""
    values = request.requestHeaders.getRawHeaders(name.encode(), ())
    return ", ".join(value.decode("latin-1") for value in values)


def _histories(site: Any, max_bytes: int, max_age: float) -> ClientHistories:
    """Return the store for the last responses of all connections."""
    bounds: Any = {
        "max_entries": _MOST_REMEMBERED,
        "max_bytes": max_bytes,
        "ttl": max_age or _REMEMBERED,
    }
    if site.socket_histories is None:
        site.socket_histories = ClientHistories(site.reactor.seconds, **bounds)
    site.socket_histories.configure(**bounds)
    histories: ClientHistories = site.socket_histories
    return histories


def _new_id(prefix: str) -> str:
    return prefix + urandom(24).hex()


class _Requests:
    """Serves the requests of one connection; each is admitted as if it were posted.

    :ivar owner: the connection.
    """

    def __init__(
        self,
        request: GatewayRequest,
        head: RequestHead,
        protocol: IServerProtocol,
        route: Route,
        exchange: IExchange,
    ) -> None:
        self._site = request.site
        self._head = head
        self._is_secure = request.isSecure()
        self._protocol = protocol
        self._route = route
        self._exchange = exchange
        self._headers = _request_headers(head)
        self._count = 0
        self.owner: Any = None

    def __call__(self, request: SessionRequest) -> Deferred[Reply]:
        """Return the reply to a request; it fails if the client's key is valid no more."""
        head, admission = self._head, self._site.admission
        try:
            admission.admit(head)
        except GatewayError as error:
            return fail(error)
        self._count += 1
        call = Call(
            self._route,
            {},
            head.query,
            self._headers,
            request.body,
            head.principal,
            f"{head.id[:_ID_LENGTH]}.{self._count}",
            head.loopback,
            admission.base_url(head, self._is_secure),
            parameters=head.parameters() if head.args else (),
            arrived=self._site.reactor.seconds(),
            turn=SocketTurn(
                self.owner,
                request.lane,
                request.generates,
                request.previous_id,
                request.continuation,
                request.steering,
            ),
        )
        return self._exchange.handle(self._protocol, call)

    def explain(self, failure: Failure) -> GatewayError:
        """Return the error that the client may see; unexpected ones are logged."""
        error: GatewayError = self._site.admission.errors.error_for(failure, self._head.where)
        return error


def _request_headers(head: RequestHead) -> dict[str, str]:
    """Return the headers of a handshake that also are those of its requests."""
    headers = {
        name: value for name, value in head.headers.items() if not name.startswith(_HANDSHAKE)
    }
    beta = headers.pop(_BETA, "")
    kept = [part for part in map(str.strip, beta.split(",")) if not part.startswith(_SOCKET_BETAS)]
    if any(kept):
        headers[_BETA] = ", ".join(kept)
    return headers
