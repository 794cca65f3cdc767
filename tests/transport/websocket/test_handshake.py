"""The handshake with upstreams, and the use of HTTP where they do not agree to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from antigravity.interfaces.transport import NO_SOCKET, Timeouts
from antigravity.ir.errors import DeadlineError, UnavailableError
from antigravity.transport.websocket.handshake import ClientHandshake
from antigravity.transport.websocket.pool import FAILED_FOR, REFUSED_FOR
from tests.transport.websocket.builders import KEY, SocketServers, completed, created

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/event-stream\r\n\r\n{}"


@pytest.fixture
def servers() -> Iterator[SocketServers]:
    made = SocketServers()
    yield made
    made.close()


def switching(*lines: bytes, accept: bytes = b"") -> bytes:
    head = [b"HTTP/1.1 101 Switching Protocols", *lines]
    if accept:
        head.append(b"Sec-WebSocket-Accept: " + accept)
    return b"\r\n".join([*head, b"", b""])


def test_key_is_sent_in_the_header_only(servers: SocketServers) -> None:
    servers.ask()
    lines = servers.peer.head.decode().split("\r\n")
    assert lines[0] == "GET /v1/responses?x=1 HTTP/1.1"
    fields = {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines[1:-2]}
    assert fields["host"] == "h.example"
    assert fields["authorization"] == f"Bearer {KEY}"
    assert fields["user-agent"] == "antigravity"
    assert (fields["upgrade"], fields["connection"]) == ("websocket", "Upgrade")
    assert not fields.keys() & {"accept", "content-type", "content-length", "origin"}
    assert "sec-websocket-extensions" not in fields  # without TLS
    servers.peer.accept()
    servers.peer.receive()
    assert servers.peer.messages == [{"type": "response.create", "model": "m", "input": "hi"}]


def test_events_may_follow_the_handshake_at_once(servers: SocketServers) -> None:
    sending = servers.ask()
    servers.peer.accept(created(), completed())
    assert servers.read(sending).kinds == ["response.created", "response.completed"]


def test_handshake_may_arrive_in_pieces(servers: SocketServers) -> None:
    sending = servers.ask()
    peer = servers.peer
    peer.server.receive_data(peer.head)
    peer.wire.clear()
    (request,) = peer.server.events_received()
    peer.server.send_response(peer.server.accept(request))
    for byte in b"".join(peer.server.data_to_send()):
        peer.protocol.dataReceived(bytes([byte]))
    peer.receive()
    peer.send(created(), completed())
    assert servers.read(sending).kinds == ["response.created", "response.completed"]


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", REFUSED_FOR),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", REFUSED_FOR),
        (b"HTTP/1.1 405\r\nAllow: POST\r\n\r\n", REFUSED_FOR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", REFUSED_FOR),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", REFUSED_FOR),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", FAILED_FOR),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", 0),
        (b"HTTP/1.1 429 Too Many\r\n\r\n", 0),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FAILED_FOR),
        (b"HTTP/1.1 101\r\n" + b"x" * 200_000, FAILED_FOR),
        (switching(b"Upgrade: websocket", b"Connection: upgrade"), FAILED_FOR),
        (switching(b"Upgrade: websocket", b"Connection: upgrade", accept=b"x"), FAILED_FOR),
        (switching(b"Upgrade: h2c", b"Connection: upgrade", accept=b"KEY"), FAILED_FOR),
        (switching(b"Upgrade: websocket", accept=b"KEY"), FAILED_FOR),
        (switching(b" Upgrade: websocket", b"Connection: upgrade", accept=b"KEY"), FAILED_FOR),
        (
            switching(
                b"Upgrade: websocket",
                b"Connection: upgrade",
                b"Sec-WebSocket-Protocol: chat",
                accept=b"KEY",
            ),
            FAILED_FOR,
        ),
        (
            switching(
                b"Upgrade: websocket",
                b"Connection: upgrade",
                b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
                accept=b"KEY",
            ),
            FAILED_FOR,
        ),
    ],
)
def test_http_is_used_if_the_handshake_is_refused(
    servers: SocketServers, response: bytes, seconds: float
) -> None:
    sending = servers.ask()
    peer = servers.peer
    peer.server.receive_data(peer.head)
    (request,) = peer.server.events_received()
    accepted = peer.server.accept(request)
    key = accepted.headers["Sec-WebSocket-Accept"].encode()
    peer.protocol.dataReceived(response.replace(b"KEY", key))
    assert peer.wire.aborted
    answer_over_http(servers, sending)
    # What is known of a server is used, and forgotten in time.
    for age, expected in ((0, not seconds), (seconds - 1, False), (seconds, True)):
        if not seconds and age:
            continue
        servers.reactor.advance(max(0.0, age - servers.reactor.seconds()))
        again = servers.ask()
        is_handshake = servers.peer.head.startswith(b"GET ")
        assert is_handshake is expected
        again.addErrback(lambda _: None)
        again.cancel()


def answer_over_http(servers: SocketServers, sending: Any) -> None:
    """Check that a request was posted, and answer it."""
    servers.connect()
    assert servers.peer.head.startswith(b"POST /v1/responses?x=1 HTTP/1.1\r\n")
    assert servers.peer.head.endswith(b'{"model":"m","input":"hi","stream":true}')
    servers.peer.protocol.dataReceived(ANSWER)
    assert servers.read(sending).data == b"{}"


@pytest.mark.parametrize("is_lost", [False, True])
def test_http_is_used_if_there_is_no_answer(servers: SocketServers, is_lost: bool) -> None:
    sending = servers.ask()
    if is_lost:
        servers.peer.lose()
    else:
        servers.reactor.advance(20)
        assert servers.peer.wire.aborted
    answer_over_http(servers, sending)


def test_server_that_cannot_be_reached_is_an_error(servers: SocketServers) -> None:
    sending = servers.transport.send(servers.request(limits=Timeouts(5, 60, 60, 0)))
    servers.reactor.advance(5)
    servers.peers = [None] * len(servers.reactor.tcpClients)  # type: ignore[list-item]
    failure = failed(sending)
    assert isinstance(failure, DeadlineError)
    assert failure.code == "connect_timeout"
    servers.peers = []


def failed(sending: Any) -> Any:
    found: list[Failure] = []
    sending.addErrback(found.append)
    assert found
    return found[0].value


def test_request_without_output_is_never_posted(servers: SocketServers) -> None:
    sending = servers.ask(generates=False)
    servers.peer.protocol.dataReceived(b"HTTP/1.1 426 No\r\n\r\n")
    error = failed(sending)
    assert isinstance(error, UnavailableError)
    assert error.code == NO_SOCKET
    assert len(servers.peers) == 1


def test_proxy_passes_the_connection_on(servers: SocketServers) -> None:
    sending = servers.ask(proxy="http://user:pw@127.0.0.1:3128")
    peer = servers.peer
    head = peer.head
    assert head.startswith(b"CONNECT h.example:80 HTTP/1.1\r\n")
    assert KEY.encode() not in head
    peer.wire.clear()
    peer.protocol.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
    assert peer.head.startswith(b"GET /v1/responses?x=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in peer.head
    peer.accept(created(), completed())
    assert servers.read(sending).kinds == ["response.created", "response.completed"]


def test_http_is_used_if_the_proxy_refuses(servers: SocketServers) -> None:
    sending = servers.ask(proxy="http://127.0.0.1:3128")
    servers.peer.protocol.dataReceived(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    servers.connect()
    assert servers.peer.head.startswith(b"POST http://h.example/v1/responses?x=1 HTTP/1.1\r\n")
    servers.peer.protocol.dataReceived(ANSWER)
    assert servers.read(sending).data == b"{}"


@pytest.mark.parametrize("is_connected", [False, True])
def test_request_can_be_cancelled_before_the_connection(
    servers: SocketServers, is_connected: bool
) -> None:
    sending = servers.transport.send(servers.request())
    if is_connected:
        servers.connect()
    sending.cancel()
    assert isinstance(failed(sending), CancelledError)
    if is_connected:
        assert servers.peer.wire.aborted
    servers.peers = servers.peers or [None]  # type: ignore[list-item]
    again = servers.transport.send(servers.request())
    assert len(servers.reactor.tcpClients) == 2, "the server is not at fault"
    again.addErrback(lambda _: None)
    again.cancel()
    servers.peers = [each for each in servers.peers if each]


@pytest.mark.parametrize(
    "extensions",
    [
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        b"permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        b"",
    ],
)
def test_compression_is_agreed_on(extensions: bytes) -> None:
    handshake = ClientHandshake(b"/", [(b"host", b"h")], compressed=True)
    assert b"Sec-WebSocket-Extensions: permessage-deflate; server_no" in handshake.request
    accepted = handshake.feed(answer_to(handshake, extensions))
    assert accepted is not None
    assert (accepted.deflate is not None) is bool(extensions)


@pytest.mark.parametrize(
    "extensions",
    [
        b"permessage-deflate",
        b"permessage-deflate; client_no_context_takeover",
        b"permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
        b"permessage-deflate; server_no_context_takeover; server_max_window_bits=7",
        b"permessage-deflate; server_no_context_takeover=1",
        b"permessage-deflate; server_no_context_takeover, x",
        b"x-webkit-deflate-frame",
    ],
)
def test_other_compression_is_refused(extensions: bytes) -> None:
    handshake = ClientHandshake(b"/", [(b"host", b"h")], compressed=True)
    with pytest.raises(Exception, match=r"compresses|agrees"):
        handshake.feed(answer_to(handshake, extensions))


def answer_to(handshake: ClientHandshake, extensions: bytes) -> bytes:
    key = handshake._expected
    fields = [b"Upgrade: WebSocket", b"Connection: keep-alive, Upgrade"]
    if extensions:
        fields.append(b"sec-websocket-extensions: " + extensions)
    return switching(*fields, accept=key)


@pytest.mark.parametrize(
    ("target", "header"), [(b"/x y", b"v"), (b"/", b"a\r\nX: b"), (b"/#f", b"v")]
)
def test_handshake_cannot_be_split(target: bytes, header: bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed|line break"):
        ClientHandshake(target, [(b"x", header)], compressed=False)
