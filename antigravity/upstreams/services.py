"""What every upstream is given besides its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.transport import IHttpTransport
from antigravity.interfaces.upstreams import Credential


def _nobody(credential: Credential, reason: str) -> None:
    """Tell nobody."""


class UpstreamServices(Struct, frozen=True):
    """Collaborators of one upstream.

    ``name`` is the upstream's in the configuration.  ``protocols`` are the client sides by
    name; upstreams read model lists and errors with them.  ``request_timeout`` is
    the limit for a whole exchange where the settings have none.  ``on_credential_invalid``
    is called with a credential that is of no use any more, and why.
    """

    name: str
    transport: IHttpTransport
    clock: IReactorTime
    protocols: Mapping[str, IClientProtocol]
    request_timeout: float = 0.0
    on_credential_invalid: Callable[[Credential, str], None] = _nobody
