"""An endpoint whose connections are cut when more comes than was agreed, whatever it is.

HTTP's own parser takes headers, and what stands between chunks, without end.
"""

# ruff: noqa: N803 - names that Twisted calls
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer


class _Metered(ProtocolWrapper):
    """Counts what comes in."""

    left = 0

    def dataReceived(self, data: bytes) -> None:
        """Hand on what has come, while there is not too much of it."""
        if self.left <= 0:
            return
        self.left -= len(data)
        if self.left > 0:
            super().dataReceived(data)
        else:
            transport: Any = self.transport
            transport.abortConnection()


class _MeteredFactory(WrappingFactory):
    """Makes the protocol of one connection, which may receive ``most`` bytes."""

    protocol = _Metered
    noisy = False

    def __init__(self, inner: IProtocolFactory, most: int) -> None:
        super().__init__(inner)
        self._most = most

    def buildProtocol(self, addr: Any) -> Any:
        """Return the protocol."""
        made: Any = super().buildProtocol(addr)
        if made is not None:
            made.left = self._most
        return made


@implementer(IStreamClientEndpoint)
class ByteLimitEndpoint:
    """Connects by ``endpoint``; ``most`` bytes may come in over the connection."""

    def __init__(self, endpoint: IStreamClientEndpoint, most: int) -> None:
        self._endpoint = endpoint
        self._most = most

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""
        connecting: Deferred[Any] = self._endpoint.connect(
            _MeteredFactory(protocolFactory, self._most)
        )
        return connecting.addCallback(lambda made: made.wrappedProtocol)
