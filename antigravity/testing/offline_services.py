"""Services without a connection, to build upstreams that are only inspected."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.ir.errors import UnavailableError
from antigravity.upstreams.services import UpstreamServices


@implementer(IHttpTransport)
class OfflineTransport:
    """A transport without a connection."""

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that has failed."""
        return fail(UnavailableError("This transport has no connection."))

    def close(self) -> Deferred[None]:
        """Return a Deferred that has fired."""
        return succeed(None)


def offline_services(name: str, protocols: Mapping[str, IClientProtocol]) -> UpstreamServices:
    """Return the services of an upstream, without a connection."""
    return UpstreamServices(name, OfflineTransport(), Clock(), protocols)
