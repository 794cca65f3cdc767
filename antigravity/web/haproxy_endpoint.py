"""Endpoints whose connections begin with a line of the PROXY protocol, as HAProxy writes it."""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.protocols.haproxy import proxyEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

#: The shortest opening of a connection, as in checks of a proxy's own.  Twisted's parser demands
#: what may follow the word: the specification lets receivers ignore it, and senders leave it out.
_BARE: Final = b"PROXY UNKNOWN\r\n"
_BARE_FOR_TWISTED: Final = b"PROXY UNKNOWN \r\n"


def haproxy_endpoint(endpoint: Any) -> Any:
    """Return an endpoint whose connections begin with a line of the PROXY protocol."""
    return proxyEndpoint(_OpeningEndpoint(endpoint))


@implementer(IStreamServerEndpoint)
class _OpeningEndpoint:
    """An endpoint whose connections begin as Twisted's parser understands it."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def listen(self, factory: Any) -> Deferred[IListeningPort]:
        """Return a Deferred with the port."""
        port: Deferred[IListeningPort] = self._endpoint.listen(_OpeningFactory(factory))
        return port


class _Opening(ProtocolWrapper):
    """A connection, with what Twisted's parser demands in its first line."""

    _received: bytes | None = b""

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on; those that may be a bare line wait for its end."""
        received = self._received
        if received is not None:
            data = received + data
            if len(data) < len(_BARE) and _BARE.startswith(data):
                self._received = data
                return
            self._received = None
            if data.startswith(_BARE):
                data = _BARE_FOR_TWISTED + data[len(_BARE) :]
        self.wrappedProtocol.dataReceived(data)


class _OpeningFactory(WrappingFactory):
    protocol = _Opening
    noisy = False
