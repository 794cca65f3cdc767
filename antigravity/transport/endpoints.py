"""Endpoints for connections to upstreams, with a limit on the time to connect."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from twisted.web.client import URI, BrowserLikePolicyForHTTPS, HostnameCachingHTTPSPolicy
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from antigravity.transport.deadlines import deadline_error, handshake_error
from antigravity.transport.failures import failure_of

#: Twisted requires a limit for each address of a name; the gateway limits the whole connection.
_NO_LIMIT = 3600.0

_SCHEMES = frozenset((b"http", b"https"))


class HandshakePendingError(Exception):
    """The TLS handshake was cancelled before it was done."""


def caching_policy(policy: IPolicyForHTTPS | None) -> IPolicyForHTTPS:
    """Return ``policy`` or the platform's, with a cache of one TLS context per name."""
    if policy is None:
        policy = BrowserLikePolicyForHTTPS()
    return HostnameCachingHTTPSPolicy(policy, cacheSize=64)


@implementer(IStreamClientEndpoint)
class LazyEndpoint:
    """An endpoint that is only built when the pool has no connection."""

    def __init__(self, make: Callable[[], IStreamClientEndpoint]) -> None:
        self._make = make

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred that fires with the connected protocol."""
        return self._make().connect(factory)


@implementer(IStreamClientEndpoint)
class SecuredEndpoint:
    """A TLS endpoint whose connections are ready only after the handshake.

    So the limit for connecting also applies to servers that accept and then send nothing.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred that fires with the protocol after its handshake."""
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(_secured)


def _secured(protocol: Any) -> Any:
    secured = getattr(protocol, "secured", None)
    return protocol if secured is None else secured()


@implementer(IAgentEndpointFactory)
class DirectEndpoints:
    """Endpoints without a proxy, with verified TLS for https."""

    def __init__(self, reactor: object, policy: IPolicyForHTTPS) -> None:
        self._reactor = reactor
        self._policy = policy

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return an endpoint for ``uri``."""
        if uri.scheme not in _SCHEMES:
            raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
        return LazyEndpoint(lambda: self._make(uri))

    def _make(self, uri: URI) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = self.tcp(uri.host.decode("ascii"), uri.port)
        if uri.scheme == b"https":
            return self.tls(endpoint, uri)
        return endpoint

    def tcp(self, host: str, port: int) -> IStreamClientEndpoint:
        """Return an endpoint for plain TCP.

        Twisted resolves a name in a thread, and does so for an address too, which needs none.
        """
        if isIPAddress(host):
            return TCP4ClientEndpoint(self._reactor, host, port, timeout=_NO_LIMIT)
        return HostnameEndpoint(self._reactor, host, port, timeout=_NO_LIMIT)

    def tls(self, endpoint: IStreamClientEndpoint, uri: URI) -> IStreamClientEndpoint:
        """Return ``endpoint`` with TLS for the host of ``uri`` on top."""
        creator = self._policy.creatorForNetloc(uri.host, uri.port)
        return SecuredEndpoint(wrapClientTLS(creator, endpoint))


@implementer(IStreamClientEndpoint)
class BoundedEndpoint:
    """An endpoint that gives up after ``limit`` seconds, with a ``DeadlineError``.

    :ivar used: whether a connection was requested.
    """

    def __init__(
        self, endpoint: IStreamClientEndpoint, reactor: IReactorTime, limit: float, where: str
    ) -> None:
        self._endpoint = endpoint
        self._reactor = reactor
        self._limit = limit
        self._where = where
        self.used = False

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        """Return a Deferred that fires with the connected protocol."""
        self.used = True
        factory.noisy = False  # otherwise it logs two lines for every connection
        connecting = self._endpoint.connect(factory)
        if not self._limit:
            return connecting
        late = False

        def expire() -> None:
            nonlocal late
            late = True
            connecting.cancel()

        timer = self._reactor.callLater(self._limit, expire)

        def settle(result: IProtocol | Failure) -> IProtocol | Failure:
            if timer.active():
                timer.cancel()
            if late and isinstance(result, Failure) and result.check(HandshakePendingError):
                return failure_of(handshake_error(self._limit, self._where))
            if late:
                return failure_of(deadline_error("connect", self._limit, self._where))
            return result

        return connecting.addBoth(settle)
