"""Everything built from one version of the configuration; each request uses one snapshot."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from antigravity.config.settings import Settings
from antigravity.interception.rules import InterceptionRules
from antigravity.interfaces.accounts import IAccountPool, ICredentialSource
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.transport import IMediaFetcher
from antigravity.routing.embeddings import EmbeddingRouter
from antigravity.routing.router import Router


class Snapshot(Struct, frozen=True):
    """Settings, and the objects built from them; ``embeddings`` routes requests for vectors."""

    settings: Settings
    router: Router
    credentials: ICredentialSource
    clients: Mapping[str, IClientProtocol]
    media: IMediaFetcher
    pool: IAccountPool
    embeddings: EmbeddingRouter
    interception: InterceptionRules = InterceptionRules()
