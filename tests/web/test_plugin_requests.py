"""Routes of plugins get whole requests of twisted.web, and can change to another protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from klein.interfaces import IKleinRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.web.http import CACHED, HTTPChannel
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer
from zope.interface.verify import verifyObject

from antigravity.config.secret import Secret
from tests.web.builders import Response, Transport, WebHarness, parse


def serve(handler: Callable[..., object], path: str = "/plug") -> WebHarness:
    return WebHarness([("ANY", path, handler)])


def ask(web: WebHarness, *headers: str, method: str = "GET", path: str = "/plug") -> Response:
    return web.request(method, path, None, *headers)


def test_request_has_all_that_twisted_requests_have() -> None:
    seen: list[Any] = []

    def handler(request: Any) -> bytes:
        assert verifyObject(IRequest, request)
        channel = HTTPChannel()
        channel.site = Site(Resource(), reactor=Clock())
        channel.makeConnection(Transport())
        names = [name for name in vars(Request(channel)) if not name.startswith("_")]
        seen.extend(name for name in names if name != "queued" and not hasattr(request, name))
        assert set(vars(request)) <= set(dir(Request(channel))) | {
            name for name in vars(request) if name.startswith("_") or name in OWN
        }
        return b"fine"

    assert ask(serve(handler)).body == b"fine"
    assert seen == []


#: Public attributes of a request that are the gateway's own.
OWN = {"head", "started_at", "running", "streamingProducer"}


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/plug"])
def test_route_below_the_dashboard_needs_a_key_like_any_other(path: str) -> None:
    web = WebHarness(
        [("ANY", path, lambda _: b"fine")], auth_mode="strict", api_key=Secret("sk-right")
    )
    assert ask(web, path=path).status == 401
    assert ask(web, "X-Api-Key: wrong", path=path).status == 401
    assert ask(web, "X-Api-Key: sk-right", path=path).body == b"fine"


def test_handler_reads_the_request() -> None:
    def handler(request: Any, name: str) -> bytes:
        assert (request.method, request.clientproto) == (b"POST", b"HTTP/1.1")
        assert request.uri == b"/plug/a%20b?x=1&x=2&key=secret"
        assert request.path == b"/plug/a%20b"
        assert request.args == {b"x": [b"1", b"2"]}
        assert (request.prepath, request.postpath) == ([b"plug", b"a b"], [])
        assert request.getHeader(b"x-a") == b"2"
        assert request.getHeader("X-A") == "2"
        assert request.requestHeaders.getRawHeaders(b"X-A") == [b"1", b"2"]
        assert request.getAllHeaders()[b"host"] == b"localhost"
        assert request.getCookie(b"b") == b"c=d"
        assert request.getCookie(b"none") is None
        assert (request.getUser(), request.getPassword()) == (b"u", b"p")
        assert request.getClientAddress().host == "127.0.0.1"
        assert request.getHost().port
        assert not request.isSecure()
        assert request.getRequestHostname() == b"localhost"
        assert request.prePathURL().startswith(b"http://localhost")
        assert IKleinRequest(request).mapper is not None
        assert request.content.read() == b"body"
        return name.encode()

    web = serve(handler, "/plug/<name>")
    headers = ("X-A: 1", "x-a: 2", "Cookie: a; b=c=d", "Authorization: Basic dTpw")
    response = web.request("POST", "/plug/a%20b?x=1&x=2&key=secret", b"body", *headers)
    assert response.body == b"a b"


def test_handler_writes_the_response() -> None:
    def handler(request: Any) -> bytes:
        request.setResponseCode(418, b"Teapot")
        request.setHeader(b"X-A", b"1\r\nEvil: 2")
        request.setHeader("Server", "mine")
        request.responseHeaders.addRawHeader(b"X-B", b"1")
        request.responseHeaders.addRawHeader(b"X-B", b"2")
        request.addCookie(b"k", b"v")
        request.setLastModified(1_000_000_000)
        request.setETag(b"tag")
        return b"tea"

    response = ask(serve(handler))
    assert (response.status, response.phrase, response.body) == (418, "Teapot", b"tea")
    headers = response.headers
    assert (headers["server"], headers["x-b"], headers["set-cookie"]) == ("mine", "1, 2", "k=v")
    assert headers["x-a"] == "1 Evil: 2"
    assert headers["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert (headers["etag"], headers["x-content-type-options"]) == ("tag", "nosniff")
    assert headers["x-request-id"] == headers["request-id"]


def test_conditional_request_gets_no_body() -> None:
    def handler(request: Any) -> bytes:
        return b"" if request.setETag(b"tag") is CACHED else b"body"

    response = ask(serve(handler), "If-None-Match: tag")
    assert (response.status, response.body) == (304, b"")
    assert "transfer-encoding" not in response.headers


def test_redirect_and_session() -> None:
    def handler(request: Any) -> bytes:
        session = request.getSession()
        assert request.getSession() is session
        session.expire()
        request.redirect(b"/elsewhere")
        return b""

    response = ask(serve(handler))
    assert (response.status, response.headers["location"]) == (302, "/elsewhere")
    assert response.headers["set-cookie"].startswith("TWISTED_SESSION=")


def test_handler_can_write_later_and_learns_of_the_end() -> None:
    requests: list[Any] = []
    ends: list[object] = []

    def handler(request: Any) -> Deferred[None]:
        requests.append(request)
        request.notifyFinish().addBoth(ends.append)
        return Deferred()

    web = serve(handler)
    web.send(b"GET /plug HTTP/1.1\r\nHost: localhost\r\n\r\n")
    (request,) = requests
    request.write(b"one")
    request.write(b"two")
    request.finish()
    assert ends == [None]
    (response,) = web.responses()
    assert response.body == b"onetwo"
    with pytest.raises(RuntimeError):
        request.write(b"three")
    with pytest.warns(UserWarning, match="twice"):
        request.finish()
    web.send(b"GET /plug HTTP/1.1\r\nHost: localhost\r\n\r\n")
    web.close()
    assert len(ends) == 2
    requests[1].write(b"dropped")
    with pytest.raises(RuntimeError):
        requests[1].finish()


@implementer(IPullProducer)
class Pieces:
    """Writes a piece when it is asked for one, as the static files of Twisted do."""

    def __init__(self, request: Any, number: int) -> None:
        self.request = request
        self.left = number
        self.is_stopped = False
        request.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self.left < 0:
            raise ValueError("a bug")
        if not self.left:
            self.request.unregisterProducer()
            self.request.finish()
            return
        self.left -= 1
        self.request.write(b"x" * 1000)

    def stopProducing(self) -> None:
        self.is_stopped = True


def serve_pieces(number: int) -> tuple[WebHarness, Pieces]:
    made: list[Pieces] = []

    def handler(request: Any) -> Any:
        made.append(Pieces(request, number))
        return Deferred()

    web = serve(handler)
    web.send(b"GET /plug HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return web, made[0]


@pytest.mark.parametrize("number", [0, 1, 30])
def test_pieces_are_asked_for_as_fast_as_the_client_reads(number: int) -> None:
    web, pieces = serve_pieces(number)
    web.clock.advance(0)
    web.channel.pauseProducing()
    before = pieces.left
    web.clock.pump([0] * 9)
    assert pieces.left == before
    web.channel.resumeProducing()
    web.clock.pump([0] * 50)
    (response,) = parse(web.wire())
    assert (response.status, len(response.body)) == (200, 1000 * number)
    assert ask(web, path="/healthz").status == 200
    web.close()


@pytest.mark.parametrize("paused", [False, True])
def test_client_that_leaves_stops_the_pieces(paused: bool) -> None:
    web, pieces = serve_pieces(30)
    if paused:
        web.channel.pauseProducing()
    web.lose()
    web.clock.pump([0] * 5)
    assert pieces.is_stopped
    assert pieces.left
    web.close()


def test_failed_producer_is_logged_and_stopped(logged: list[str]) -> None:
    web, pieces = serve_pieces(-1)
    web.clock.pump([0] * 5)
    assert pieces.is_stopped
    assert any("a producer failed" in line for line in logged)
    web.close()


def test_resource_without_head_gets_its_headers_sent() -> None:
    class Page(Resource):
        isLeaf = True  # noqa: N815 - the name is Twisted's

        def render_GET(self, request: Any) -> Any:
            request.write(b"page")
            request.finish()
            return NOT_DONE_YET

    web = serve(lambda request: Page())
    assert ask(web).body == b"page"
    web.transport.clear()
    web.send(b"HEAD /plug HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert web.wire().endswith(b"\r\n\r\n")


class Echo(Protocol):
    """Another protocol: notes what it gets."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def dataReceived(self, data: bytes) -> None:
        self.got.append(data)
        assert self.transport is not None
        self.transport.write(data)

    def connectionLost(self, reason: object = None) -> None:
        self.got.append("lost")


def test_connection_can_change_to_another_protocol() -> None:
    echo = Echo()
    requests: list[Any] = []

    def handler(request: Any) -> Deferred[None]:
        requests.append(request)
        return Deferred()

    web = serve(handler)
    web.send(b"GET /plug HTTP/1.1\r\nHost: localhost\r\n\r\nearly")
    requests[0].switch_protocol(echo, (("Upgrade", "echo"),))
    web.send(b"more")
    head, _, rest = web.wire().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nConnection: Upgrade\r\n" in head
    assert head.endswith(b"\r\nUpgrade: echo")
    assert b"chunked" not in head
    assert rest == b"earlymore"
    assert not web.clock.getDelayedCalls()
    assert web.transport.producer is None
    web.site.stopFactory()
    assert not web.transport.disconnecting
    web.site.close_all()
    assert web.transport.aborted
    web.lose()
    assert echo.got == [b"early", b"more", "lost"]
    assert requests[0].notifyFinish().called is False
    web.close()
