"""The address of an HTTP proxy, and endpoints through it."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from antigravity.ir.errors import UnavailableError
from antigravity.transport.endpoints import DirectEndpoints, LazyEndpoint
from antigravity.transport.proxy_tunnel import TunnelEndpoint


class Proxy(Struct, frozen=True):
    """An HTTP proxy; ``authorization`` is secret and not part of the repr."""

    host: str
    port: int
    authorization: str = ""

    @property
    def name(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self.name}>"


@lru_cache(maxsize=64)
def parse_proxy(url: str) -> Proxy:
    """Return the proxy at ``http://[user:password@]host[:port]``.

    :raises UnavailableError: if the URL has another form; the message does not quote it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "http" or not host or parts.path not in ("", "/"):
        raise UnavailableError(
            "upstreams.NAME.http_proxy must look like http://host:port or "
            "http://user:password@host:port"
        )
    authorization = ""
    if parts.username is not None:
        userinfo = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + b64encode(userinfo.encode()).decode("ascii")
    return Proxy(host, port or 80, authorization)


@implementer(IAgentEndpointFactory)
class TunnelEndpoints:
    """Endpoints through a proxy: for https addresses, and for WebSocket."""

    def __init__(self, direct: DirectEndpoints, proxy: Proxy) -> None:
        self._direct = direct
        self._proxy = proxy

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return an endpoint for ``uri``."""
        if uri.scheme not in (b"https", b"http"):
            raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
        return LazyEndpoint(lambda: self._make(uri))

    def _make(self, uri: URI) -> IStreamClientEndpoint:
        proxy = self._proxy
        tunnel = TunnelEndpoint(
            self._direct.tcp(proxy.host, proxy.port),
            proxy.name,
            uri.host.decode("ascii"),
            uri.port,
            proxy.authorization,
        )
        return self._direct.tls(tunnel, uri) if uri.scheme == b"https" else tunnel
