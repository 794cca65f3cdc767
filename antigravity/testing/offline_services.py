"""A way to upstreams that leads nowhere, for objects that are built and never asked."""

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
    """Sends nothing."""

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that has failed."""
        return fail(UnavailableError("There is no connection here."))

    def close(self) -> Deferred[None]:
        """Return a Deferred that has fired."""
        return succeed(None)


def offline_services(name: str, protocols: Mapping[str, IClientProtocol]) -> UpstreamServices:
    """Return what an upstream of that name can be built with."""
    return UpstreamServices(name, OfflineTransport(), Clock(), protocols)
