"""An endpoint whose connections are aborted when they receive more than a number of bytes.

Twisted's HTTP parser reads headers, and the bytes between chunks, without a limit.
"""

# ruff: noqa: N803 - names that Twisted calls
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer


class _LimitedProtocol(ProtocolWrapper):
    """A wrapper that counts the received bytes."""

    remaining = 0

    def dataReceived(self, data: bytes) -> None:
        """Pass ``data`` to the protocol, or abort the connection if the limit is exceeded."""
        if self.remaining <= 0:
            return
        self.remaining -= len(data)
        if self.remaining > 0:
            super().dataReceived(data)
        else:
            transport: Any = self.transport
            transport.abortConnection()


class _LimitedFactory(WrappingFactory):
    """A factory of connections that receive at most ``most`` bytes each."""

    protocol = _LimitedProtocol
    noisy = False

    def __init__(self, inner: IProtocolFactory, most: int) -> None:
        super().__init__(inner)
        self._most = most

    def buildProtocol(self, addr: Any) -> Any:
        """Return the protocol."""
        made: Any = super().buildProtocol(addr)
        if made is not None:
            made.remaining = self._most
        return made


@implementer(IStreamClientEndpoint)
class ByteLimitEndpoint:
    """An endpoint whose connections receive at most ``most`` bytes each."""

    def __init__(self, endpoint: IStreamClientEndpoint, most: int) -> None:
        self._endpoint = endpoint
        self._most = most

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred that fires with the connected protocol."""
        connecting: Deferred[Any] = self._endpoint.connect(
            _LimitedFactory(protocolFactory, self._most)
        )
        return connecting.addCallback(lambda made: made.wrappedProtocol)
