"""Endpoints that only connect to names whose every address is public.

A name is resolved once, and the connection goes to an address that was checked.  Resolving the name
a second time would let its owner return another address (DNS rebinding).
"""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from antigravity.ir.errors import InvalidRequestError
from antigravity.transport.byte_limit import ByteLimitEndpoint
from antigravity.transport.endpoints import SecuredEndpoint
from antigravity.transport.public_addresses import is_public

#: Seconds for one of a name's addresses; the fetch as a whole has its own limit.
_ATTEMPT = 10.0


@implementer(IResolutionReceiver)
class _Addresses:
    """A receiver of the addresses of a name."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.done: Deferred[list[Any]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N803
        """Ignore the start of the resolution."""

    def addressResolved(self, address: IAddress) -> None:
        """Add ``address`` to the result."""
        self.found.append(address)

    def resolutionComplete(self) -> None:
        """Fire the Deferred with the addresses."""
        if not self.done.called:
            self.done.callback(self.found)


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """An endpoint for ``host`` and ``port`` that refuses addresses which are not public.

    ``setting`` is the one by which an operator can allow them.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        *,
        trusted: bool,
        setting: str = "media.allowed_hosts",
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._trusted = trusted
        self._setting = setting

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Resolve the name, check its addresses, and connect to one."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        receiver = _Addresses()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port)
        addresses = await receiver.done
        if not addresses:
            raise InvalidRequestError(f"the name {self._host} does not resolve")
        if not self._trusted and not all(is_public(address.host) for address in addresses):
            raise InvalidRequestError(
                f"{self._host} is not on the public Internet; an operator can allow it in "
                f"{self._setting}"
            )
        *others, last = addresses[:4]
        for address in others:
            try:
                return await self._endpoint(address).connect(factory)
            except ConnectingCancelledError:
                raise
            except ConnectError:
                continue  # try the next address
        return await self._endpoint(last).connect(factory)

    def _endpoint(self, address: Any) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address.host else TCP4ClientEndpoint
        endpoint: IStreamClientEndpoint = kind(
            self._reactor, address.host, self._port, timeout=_ATTEMPT
        )
        return endpoint


@implementer(IAgentEndpointFactory)
class GuardedEndpoints:
    """Guarded endpoints; hosts in ``trusted`` (in lower case) need not be public.

    A connection receives at most ``most`` bytes.  ``setting`` is the one to which operators add
    hosts.
    """

    def __init__(
        self,
        reactor: Any,
        policy: IPolicyForHTTPS,
        trusted: Collection[str],
        most: int,
        setting: str = "media.allowed_hosts",
    ) -> None:
        self._reactor = reactor
        self._policy = policy
        self._trusted = trusted
        self._most = most
        self._setting = setting

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return an endpoint for ``uri``; TLS is for the name, not for the address."""
        host = uri.host.decode("ascii")
        written = f"[{host}]" if ":" in host else host
        trusted = host in self._trusted or f"{written}:{uri.port}" in self._trusted
        endpoint = ByteLimitEndpoint(
            GuardedEndpoint(self._reactor, host, uri.port, trusted=trusted, setting=self._setting),
            self._most,
        )
        if uri.scheme == b"http":
            return endpoint
        if uri.scheme == b"https":
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            return SecuredEndpoint(wrapClientTLS(creator, endpoint))
        raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
