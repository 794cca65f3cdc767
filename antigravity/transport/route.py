"""Where the connections of a request lead: to the server, or to a proxy."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from antigravity.transport.authority import Authority
from antigravity.transport.endpoints import DirectEndpoints
from antigravity.transport.proxy import TunnelEndpoints, parse_proxy


class Route(Struct, frozen=True):
    """The way to a server.

    :ivar endpoints: the factory of endpoints.
    :ivar key: equal for routes whose requests may share connections; may be secret.
    :ivar where: what is connected to, for messages.
    :ivar is_proxied: whether requests have the whole URL, for a proxy.
    :ivar authorization: the credential for such a proxy, empty for none.
    """

    endpoints: Any
    key: Hashable
    where: str
    is_proxied: bool = False
    authorization: str = ""


@implementer(IAgentEndpointFactory)
class _ProxyEndpoints:
    """The endpoint of a proxy, for any URL."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the endpoint of the proxy."""
        return self._endpoint


def find_route(
    authority: Authority,
    proxy: str | None,
    endpoints: Any,
    direct: DirectEndpoints,
    *,
    tunnel: bool = False,
) -> Route:
    """Return the route to ``authority``, through the proxy with the URL ``proxy`` if there is one.

    :param endpoints: the factory of endpoints for routes without a proxy.
    :param tunnel: whether a proxy must pass all bytes on, also without TLS.
    :raises UnavailableError: if the URL of the proxy is malformed.
    """
    if not proxy:
        return Route(endpoints, authority, authority.where)
    parsed = parse_proxy(proxy)
    where = f"the proxy {parsed.name}"
    if authority.secure or tunnel:
        key = ("http-proxy-CONNECT", proxy, authority)
        return Route(TunnelEndpoints(direct, parsed), key, where)
    return Route(
        _ProxyEndpoints(direct.tcp(parsed.host, parsed.port)),
        ("http-proxy", proxy),
        where,
        is_proxied=True,
        authorization=parsed.authorization,
    )
