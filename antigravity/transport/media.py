"""Fetch files that a client's request refers to, but not from the operator's network."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from antigravity.config.settings import HttpClientName, MediaSettings
from antigravity.interfaces.transport import (
    FetchedFile,
    IHttpTransport,
    IIncomingResponse,
    IMediaFetcher,
    OutgoingRequest,
    Timeouts,
)
from antigravity.ir.errors import DeadlineError, GatewayError, InvalidRequestError, UpstreamError
from antigravity.ir.sniff import mime_type_of, sniff
from antigravity.transport.client import HttpTransport
from antigravity.transport.endpoints import caching_policy
from antigravity.transport.guarded_endpoints import GuardedEndpoints
from antigravity.transport.web_address import WebAddress, join_url, parse_url
from antigravity.version import USER_AGENT

MAX_REDIRECTS: Final = 3
#: Bytes that a connection may receive besides twice the largest file: headers, chunks, TLS.
_OVERHEAD: Final = 1024 * 1024

#: Types of web pages; some servers send them for any file.
_PAGES: Final = frozenset(("text/html", "application/xhtml+xml"))
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


@implementer(IMediaFetcher)
class MediaFetcher:
    """A fetcher of files over unpooled connections of its own.

    Addresses are checked before a connection; ``media.allowed_hosts`` names the hosts (``host`` or
    ``host:port``) that need not be on the public Internet.
    """

    def __init__(
        self,
        settings: MediaSettings,
        reactor: Any,
        *,
        policy: IPolicyForHTTPS | None = None,
        http_client: HttpClientName = "httptools",
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._allowed = frozenset(host.lower() for host in settings.allowed_hosts)
        most = 2 * settings.max_bytes + _OVERHEAD
        guard = GuardedEndpoints(reactor, caching_policy(policy), self._allowed, most)
        self._transport: IHttpTransport = HttpTransport(
            reactor, endpoints=guard, persistent=False, http_client=http_client
        )

    def fetch(self, url: str) -> Deferred[FetchedFile]:
        """Return a Deferred that fires with the file."""
        return Deferred.fromCoroutine(self._fetch(url))

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""
        return self._transport.close()

    async def _fetch(self, url: str) -> FetchedFile:
        if not self._settings.fetch:
            raise InvalidRequestError(
                "the gateway does not fetch URLs (media.fetch is false); send the data inline"
            )
        address = self._check_port(parse_url(url))
        until = self._reactor.seconds() + self._settings.timeout
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(address, until)
            status = response.status()
            headers = response.headers()
            if status == 200:
                data = await self._read(response, address)
                mime_type = mime_type_of(headers.get("content-type", ""), data)
                return FetchedFile(_effective_type(mime_type, data, address), data)
            response.abort()
            if status not in _REDIRECTS or not headers.get("location"):
                raise InvalidRequestError(f"{address.shown} responded with status {status}")
            address = self._check_port(join_url(address, headers["location"]))
        raise InvalidRequestError(f"the URL redirects more than {MAX_REDIRECTS} times")

    def _check_port(self, address: WebAddress) -> WebAddress:
        """Return ``address`` if its port is allowed; the guard checks the host."""
        if not address.has_default_port() and not address.is_in_with_port(self._allowed):
            raise InvalidRequestError(
                f"port {address.port} of {address.shown} is not allowed; an operator can add "
                f"{address.netloc} to media.allowed_hosts"
            )
        return address

    async def _send(self, address: WebAddress, until: float) -> IIncomingResponse:
        remaining = 0.0
        if self._settings.timeout:
            remaining = until - self._reactor.seconds()
            if remaining <= 0:
                raise self._timeout_error(address)
        request = OutgoingRequest(
            "GET",
            address.url,
            (("user-agent", USER_AGENT), ("accept", "*/*")),
            timeouts=Timeouts(remaining, remaining, remaining, remaining),
        )
        try:
            return await self._transport.send(request)
        except GatewayError as error:
            raise self._client_error(error, address) from error

    async def _read(self, response: IIncomingResponse, address: WebAddress) -> bytes:
        try:
            return await response.collect(self._settings.max_bytes)
        except GatewayError as error:
            raise self._client_error(error, address) from error

    def _client_error(self, error: GatewayError, address: WebAddress) -> GatewayError:
        """Return ``error`` as one about the client's request."""
        if isinstance(error, InvalidRequestError):
            return error
        if isinstance(error, DeadlineError):
            return self._timeout_error(address)
        if isinstance(error, UpstreamError) and error.code == "answer_too_large":
            return InvalidRequestError(
                f"{address.shown} is larger than {self._settings.max_bytes} bytes (media.max_bytes)"
            )
        return InvalidRequestError(f"could not fetch {address.shown}: {error.message}")

    def _timeout_error(self, address: WebAddress) -> InvalidRequestError:
        return InvalidRequestError(
            f"{address.shown} was not fetched within {self._settings.timeout:g} s (media.timeout)"
        )


def _effective_type(mime_type: str, data: bytes, address: WebAddress) -> str:
    """Return the type of a file; the type of a web page is replaced by the detected one.

    :raises InvalidRequestError: if the file is empty.
    """
    if not data:
        raise InvalidRequestError(f"{address.shown} is empty")
    return (sniff(data) or mime_type) if mime_type in _PAGES else mime_type
