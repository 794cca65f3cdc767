"""treq sends what it is given, and adds no cookies, codings or buffers of its own."""

from __future__ import annotations

from typing import Any

import pytest
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.transport.treq_client import EncodedText, IdentityAgent, NoCookies, send
from tests.support.fake_upstream import ok
from tests.transport.fixtures import TransportTestCase, with_both_clients


class FakeResponse:
    """A response with some headers."""

    def __init__(self, **headers: str) -> None:
        pairs = {name.replace("_", "-"): [value] for name, value in headers.items()}
        self.headers = Headers(pairs)
        self.code = 200
        self.length = 2


@implementer(IAgent)
class FakeAgent:
    """Records requests and lets the test respond."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, ...]] = []
        self.cancelled = 0
        self.response: Deferred[Any] = Deferred(self._cancel)

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.requests.append((method, uri, headers, bodyProducer))
        return self.response


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent()


def start(
    agent: FakeAgent, url: str = "https://h/x", **headers: str
) -> tuple[IdentityAgent, Deferred[Any]]:
    """Send a request and return its agent and the Deferred of its response."""
    identity = IdentityAgent(agent)
    pairs = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return identity, send(identity, "POST", url, Headers(pairs), None, Clock())


@pytest.mark.parametrize(
    "url",
    [
        "https://h/v1/models/a%2Fb:generateContent?alt=sse&key=s%20e",
        "https://H:443//v1/../x;p?",
        "http://[::1]:9100/v1/%zz",
        "https://xn--bcher-kva.example/a+b",
    ],
)
def test_url_goes_out_unchanged(agent: FakeAgent, url: str) -> None:
    start(agent, url)
    assert agent.requests[0][1] == url.encode()


def test_url_that_is_not_ascii_is_refused(agent: FakeAgent) -> None:
    with pytest.raises(ValueError, match="ascii"):
        start(agent, "https://bücher.example/")
    assert agent.requests == []


def test_encoded_text_is_an_encoded_url() -> None:
    url = EncodedText("https://h/%7e")
    assert url.to_uri() is url
    assert url.to_text() == "https://h/%7e"


def test_uncompressed_responses_are_requested(agent: FakeAgent) -> None:
    start(agent)
    assert agent.requests[0][2].getRawHeaders("accept-encoding") == ["identity"]


def test_accept_encoding_of_the_caller_is_kept(agent: FakeAgent) -> None:
    start(agent, accept_encoding="br")
    assert agent.requests[0][2].getRawHeaders("accept-encoding") == ["br"]


def test_compressed_response_is_not_decompressed_by_treq(agent: FakeAgent) -> None:
    identity, sending = start(agent)
    response = FakeResponse(content_encoding="gzip")
    agent.response.callback(response)
    assert sending.result.original is response  # type: ignore[union-attr]
    assert identity.content_encoding == "gzip"


def test_response_is_not_buffered(agent: FakeAgent) -> None:
    identity, sending = start(agent)
    response = FakeResponse()
    agent.response.callback(response)
    assert sending.result.original is response  # type: ignore[union-attr]
    assert identity.content_encoding == ""


def test_cancelling_reaches_the_agent(agent: FakeAgent) -> None:
    _, sending = start(agent)
    sending.addErrback(lambda _: None)
    sending.cancel()
    assert agent.cancelled == 1


def test_redirect_is_not_followed(agent: FakeAgent) -> None:
    _, sending = start(agent)
    response = FakeResponse(location="https://elsewhere/")
    response.code = 307
    agent.response.callback(response)
    assert sending.result.code == 307  # type: ignore[union-attr]
    assert len(agent.requests) == 1


def test_jar_stays_empty(agent: FakeAgent) -> None:
    jar: Any = NoCookies()
    client = HTTPClient(agent, jar)
    client.request("GET", "https://h/", cookies={"a": "1"}, unbuffered=True, reactor=Clock())
    agent.response.callback(FakeResponse(set_cookie="b=2"))
    assert list(jar) == []
    assert agent.requests[0][2].getRawHeaders("cookie") is None


@with_both_clients
class CookieTests(TransportTestCase):
    async def test_credentials_do_not_share_cookies(self) -> None:
        upstream = self.serve(
            lambda peer, _: peer.write(ok(b"{}", "Set-Cookie: session=one; Path=/"))
        )
        for key in ("one", "one", "two"):
            headers = (("authorization", f"Bearer sk-{key}"),)
            request = OutgoingRequest("POST", self.url + "/v1/x", headers, b"{}")
            response = await self.transport.send(request)
            assert response.headers()["set-cookie"].startswith("session=one")
            await response.collect(100)
        assert len(upstream.peers) == 1
        assert ["cookie" in each.headers for each in upstream.requests] == [False] * 3

    async def test_cookie_header_of_the_request_is_sent(self) -> None:
        upstream = self.serve(lambda peer, _: peer.write(ok(b"{}")))
        request = OutgoingRequest("GET", self.url + "/", (("cookie", "a=1"),))
        await (await self.transport.send(request)).collect(100)
        assert upstream.requests[0].headers["cookie"] == "a=1"
