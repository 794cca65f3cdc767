"""The collaborators of upstreams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.transport import IHttpTransport
from antigravity.interfaces.upstreams import Credential


def _ignore(credential: Credential, reason: str) -> None:
    """Do nothing."""


class UpstreamServices(Struct, frozen=True):
    """Collaborators of one upstream.

    ``name`` is the upstream's name in the configuration.  ``protocols`` are the client protocols
    by name, which decode model lists and errors.  ``request_timeout`` is the default limit for a
    whole exchange.  ``on_credential_invalid`` is called with a credential that has become
    invalid, and the reason.  ``state`` provides ``ISharedState``, if gateways share something.
    """

    name: str
    transport: IHttpTransport
    clock: IReactorTime
    protocols: Mapping[str, IClientProtocol]
    request_timeout: float = 0.0
    on_credential_invalid: Callable[[Credential, str], None] = _ignore
    state: Any = None
