"""The router for embeddings: only upstreams with embedding models are considered.

The name of an embedding model never leads to a conversation model, neither by a mapping pattern
nor by the fallback model.
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
from antigravity.routing.decision import RoutingDecision, UpstreamEntry
from antigravity.routing.mapping import MappingStep, ModelMapping
from antigravity.routing.router import Router

#: The number of embedding models that an error message names.
_SUGGESTIONS = 12


class EmbeddingRouter(Router):
    """Routes model names to upstreams with embedding models.

    :param kinds: the names of those kinds of upstream, for messages.
    :ivar protocols: the names of the embedding protocols.
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
        self._embedding_protocols = {
            entry.upstream.name: protocols
            for entry in entries
            if (protocols := _embedding_protocols(entry.upstream, clients))
        }
        self._others = {e.upstream.name for e in entries} - set(self._embedding_protocols)
        self._kinds = kinds
        able = [entry for entry in entries if entry.upstream.name in self._embedding_protocols]
        # Routing uses only the members that all client protocols have.
        plain = cast(Mapping[str, IClientProtocol], clients)
        self.protocols = frozenset(clients)
        super().__init__(able, plain, mapping, table, catalog)

    async def route(self, requested: str, protocol: str) -> RoutingDecision:
        """Return the routing decision for a model that a client requested.

        :raises NotFoundError: if no upstream can serve it.
        :raises InvalidRequestError: if it is a conversation model.
        """
        target, _ = self._resolve(requested)
        upstream, slash, model = target.partition("/")
        forced = bool(slash) and (upstream in self._entries or upstream in self._others)
        capabilities = self._table.capabilities(model if forced else target)
        if not self._entries or upstream in self._others:
            which = f"The upstream {upstream!r} does not" if forced else "No upstream here can"
            raise NotFoundError(
                f"{which} create embeddings; upstreams of kind {' or '.join(self._kinds)} can.",
                param="model",
                code="model_not_found",
            )
        # Some upstreams answer requests for such a model as if the key were wrong.
        if capabilities.family != "other" and not capabilities.embedding:
            raise InvalidRequestError(
                f"The model {requested!r} is not an embedding model.{await self._hint()}",
                param="model",
                code="model_not_supported",
            )
        return await super().route(requested, protocol)

    def _protocols(self, upstream: IUpstream) -> tuple[str, ...]:
        return self._embedding_protocols[upstream.name]

    def _resolve(self, name: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the mapped name, and the steps to it.

        A pattern is applied only if it leads to an embedding model, an exact name always.
        """
        target, steps = super()._resolve(name)
        if self.has_mapping(name) or self._table.capabilities(target).embedding:
            return target, steps
        return name, ()

    async def _hint(self) -> str:
        able = [model.id for model in await self.models() if model.capabilities.embedding]
        return f" Available ones: {', '.join(able[:_SUGGESTIONS])}." if able else ""


def _embedding_protocols(upstream: IUpstream, clients: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the known embedding protocols that an upstream speaks."""
    embedding = IEmbeddingUpstream(upstream, None)
    names: tuple[str, ...] = () if embedding is None else embedding.embedding_protocols
    return tuple(name for name in names if name in clients)
