"""treq without its URL parsing, cookies and content decoding.

treq parses and encodes each URL, keeps cookies, and decompresses gzip without a limit.  Upstreams
build URLs that are encoded already, credentials must not share cookies, and
:mod:`antigravity.transport.content_coding` decompresses within limits.
"""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar
from typing import Any, Final

from hyperlink import EncodedURL
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from antigravity.transport.http1.headers import FixedHeaders


class EncodedText(EncodedURL):
    """A URL that treq uses as text, without parsing it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def to_uri(self) -> EncodedText:
        """Return the URL."""
        return self

    def to_text(self, with_password: bool = False) -> str:
        """Return the text."""
        return self._text


class NoCookies(CookieJar):
    """A cookie jar that stores nothing and can therefore be shared."""

    def set_cookie(self, cookie: Cookie) -> None:
        """Ignore ``cookie``."""

    def add_cookie_header(self, request: Any) -> None:
        """Add no header."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore ``Set-Cookie``."""


#: treq accepts any jar, but its annotations name its own class.
NO_COOKIES: Final[Any] = NoCookies()


@implementer(IAgent)
class IdentityAgent:
    """An agent that hides content codings from treq, which would request and decompress gzip.

    It serves one request.

    :ivar content_encoding: the ``Content-Encoding`` of the response, empty if it has none.
    :ivar response: the response, without the wrapper of treq.
    """

    def __init__(self, agent: IAgent) -> None:
        self.content_encoding = ""
        self.response: IResponse | None = None
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - the name that treq uses
    ) -> Deferred[IResponse]:
        """Send a request; ``Accept-Encoding`` is ``identity`` unless the caller has set one."""
        assert headers is not None
        if not isinstance(headers, FixedHeaders):
            # The last value is treq's own.
            accepted = (headers.getRawHeaders(b"accept-encoding") or [])[:-1]
            headers.setRawHeaders(b"accept-encoding", accepted or [b"identity"])
        sending: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return sending.addCallback(self._remove_coding)

    def _remove_coding(self, response: IResponse) -> IResponse:
        self.response = response
        codings = response.headers.getRawHeaders(b"content-encoding")
        if codings:
            self.content_encoding = b",".join(codings).decode("latin-1")
            response.headers.removeHeader(b"content-encoding")
        return response


def send(
    agent: IAgent,
    method: str,
    url: str,
    headers: Headers,
    producer: IBodyProducer | None,
    reactor: Any,
) -> Deferred[IResponse]:
    """Send one request with treq; redirects are not followed.

    :param url: percent-encoded ASCII.
    :raises ValueError: if the URL or the method is malformed.
    :returns: a Deferred of the response, whose body is not read yet.
    """
    sending: Deferred[Any] = HTTPClient(agent, NO_COOKIES).request(
        method,
        EncodedText(url),
        headers=headers,
        data=producer,
        cookies=NO_COOKIES,
        allow_redirects=False,
        unbuffered=True,
        reactor=reactor,
    )
    return sending
