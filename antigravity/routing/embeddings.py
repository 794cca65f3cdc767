"""Find who can make vectors with a model: among the upstreams that have any, no others.

A name that an embedding model has never leads to a model for conversations: not by a pattern
that was made for those, and not by the fallback model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from antigravity.interfaces.embeddings import IEmbeddingClient, IEmbeddingUpstream
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.mapping import MappingStep, ModelMapping
from antigravity.routing.router import Router, RoutingDecision, UpstreamEntry

#: So many models are named that could do it.
_NAMED = 12


class EmbeddingRouter(Router):
    """Routes models to upstreams that make vectors.

    ``kinds`` are the names of those kinds of upstream, for people.

    :ivar protocols: the names of the protocols for vectors.
    """

    def __init__(
        self,
        entries: Sequence[UpstreamEntry],
        clients: Mapping[str, IEmbeddingClient],
        mapping: ModelMapping,
        table: CapabilityTable,
        catalog: ModelCatalog,
        kinds: Sequence[str],
    ) -> None:
        self._spoken_by = {
            entry.upstream.name: spoken
            for entry in entries
            if (spoken := _spoken_by(entry.upstream, clients))
        }
        self._others = {e.upstream.name for e in entries} - set(self._spoken_by)
        self._kinds = kinds
        able = [entry for entry in entries if entry.upstream.name in self._spoken_by]
        # Routing looks at what all clients have; who serves casts them back.
        plain = cast(Mapping[str, IClientProtocol], clients)
        self.protocols = frozenset(clients)
        super().__init__(able, plain, mapping, table, catalog)

    async def route(self, asked: str, protocol: str) -> RoutingDecision:
        """Return who can make vectors with the model that a client asked for.

        :raises NotFoundError: if nobody can.
        :raises InvalidRequestError: if the model is one for conversations.
        """
        target, _ = self._resolve(asked)
        upstream, slash, model = target.partition("/")
        forced = bool(slash) and (upstream in self._entries or upstream in self._others)
        capabilities = self._table.capabilities(model if forced else target)
        if not self._entries or upstream in self._others:
            where = f"The upstream {upstream!r} makes no" if forced else "No upstream here makes"
            raise NotFoundError(
                f"{where} embeddings; those of the kinds {' and '.join(self._kinds)} do.",
                param="model",
                code="model_not_found",
            )
        # One of those is asked for nothing: some upstreams take it for a wrong key.
        if capabilities.family != "other" and not capabilities.embedding:
            raise InvalidRequestError(
                f"The model {asked!r} makes no embeddings.{await self._hint()}",
                param="model",
                code="model_not_supported",
            )
        return await super().route(asked, protocol)

    def _spoken(self, upstream: IUpstream) -> tuple[str, ...]:
        return self._spoken_by[upstream.name]

    def _resolve(self, name: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the name that ``name`` is served under.

        Who maps a name itself means it; a pattern counts if it leads to an embedding model.
        """
        target, steps = super()._resolve(name)
        if self.has_mapping(name) or self._table.capabilities(target).embedding:
            return target, steps
        return name, ()

    async def _hint(self) -> str:
        able = [model.id for model in await self.models() if model.capabilities.embedding]
        return f" Of the models here these do: {', '.join(able[:_NAMED])}." if able else ""


def _spoken_by(upstream: IUpstream, clients: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the known protocols for vectors that an upstream speaks."""
    if not IEmbeddingUpstream.providedBy(upstream):
        return ()
    names: tuple[str, ...] = cast(IEmbeddingUpstream, upstream).embedding_protocols
    return tuple(name for name in names if name in clients)
