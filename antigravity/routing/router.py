"""Find who can serve a model: mapping, then selection among the upstreams."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import gatherResults

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.capabilities import Capabilities, Model, Target
from antigravity.ir.errors import NotFoundError, UnavailableError
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.mapping import Hop, ModelMapping
from antigravity.routing.patterns import matches, specificity
from antigravity.routing.selection import Judgement, Offer, select


class Entry(Struct, frozen=True):
    """One upstream with the settings that routing looks at."""

    upstream: IUpstream
    patterns: tuple[str, ...] = ()
    model_mapping: Mapping[str, str] = {}


class Candidate(Struct, frozen=True):
    """One way to serve a request; ``native`` if the upstream speaks the client's protocol."""

    upstream: IUpstream
    client: IClientProtocol
    target: Target
    native: bool


class Decision(Struct, frozen=True):
    """What routing found for one model name."""

    asked: str
    model: str
    hops: tuple[Hop, ...]
    candidates: tuple[Candidate, ...]
    judgements: tuple[Judgement, ...]
    capabilities: Capabilities


class Router:
    """Routes models to upstreams, by the configuration of one snapshot."""

    def __init__(
        self,
        entries: Sequence[Entry],
        clients: Mapping[str, IClientProtocol],
        mapping: ModelMapping,
        table: CapabilityTable,
        catalog: ModelCatalog,
        fallback_model: str = "",
    ) -> None:
        self._entries = {entry.upstream.name: entry for entry in entries}
        self._clients = clients
        self._mapping = mapping
        self._table = table
        self._catalog = catalog
        self._fallback = fallback_model

    @property
    def upstreams(self) -> tuple[IUpstream, ...]:
        """All upstreams, in the order of the configuration."""
        return tuple(entry.upstream for entry in self._entries.values())

    async def route(self, asked: str, protocol: str) -> Decision:
        """Return who can serve the model that a client of ``protocol`` asked for.

        :raises NotFoundError: if nobody can.
        :raises UnavailableError: if there is no upstream at all.
        """
        if not self._entries:
            raise UnavailableError(
                "No upstream is configured. Add one with 'antigravity accounts add', or in the "
                "configuration file under [upstreams.NAME], or try the gateway with --demo.",
                code="no_upstream",
            )
        decision = await self._decide(asked, asked, protocol)
        if not decision.candidates and self._fallback:
            decision = await self._decide(asked, self._fallback, protocol)
        if not decision.candidates:
            raise NotFoundError(await self._unknown(asked), param="model", code="model_not_found")
        return decision

    def maps(self, name: str) -> bool:
        """Return whether a rule names ``name`` itself; a wildcard does not."""
        return name in self._mapping.names()

    async def route_mapped(self, name: str, protocol: str) -> Decision | None:
        """Return who can serve a name that no client asks for and only rules know.

        ``None`` if no rule names it, or nobody can; no fallback model stands in.
        """
        if not self._entries or not self.maps(name):
            return None
        decision = await self._decide(name, name, protocol)
        return decision if decision.candidates else None

    async def models(self) -> list[Model]:
        """Return every model that can be served now, each once, mapped names included."""
        lists = await gatherResults(
            [self._catalog.models(upstream) for upstream in self.upstreams], consumeErrors=True
        )
        found: dict[str, Model] = {}
        for entry, models in zip(self._entries.values(), lists, strict=True):
            for model in self._offered(entry, models):
                found.setdefault(model.id, model)
        for name in self._mapping.names():
            if name not in found:
                target, _ = self._mapping.resolve(name)
                known = found.get(target)
                owner = known.owned_by if known is not None else "antigravity"
                found[name] = self._described(Model(name, owned_by=owner), target)
        return list(found.values())

    def _offered(self, entry: Entry, models: Sequence[Model] | None) -> list[Model]:
        """Return what one upstream offers under its patterns."""
        names = [
            name for name in (*entry.patterns, *entry.model_mapping) if name and "*" not in name
        ]
        offered = [Model(name, owned_by=entry.upstream.name) for name in names]
        for model in models or ():
            if not entry.patterns or any(matches(p, model.id) for p in entry.patterns):
                offered.append(model)
        return [self._described(model, model.id) for model in offered]

    def _described(self, model: Model, name: str) -> Model:
        """Return the model with what the capability table knows filled in."""
        capabilities = self._table.capabilities(name)
        if model.capabilities.embedding:  # its upstream says so
            capabilities = replace(capabilities, embedding=True)
        return Model(
            model.id,
            model.display_name or model.id,
            model.owned_by or "antigravity",
            model.created,
            model.input_token_limit or capabilities.context_window,
            model.output_token_limit or capabilities.max_output_tokens,
            capabilities,
        )

    def _spoken(self, upstream: IUpstream) -> tuple[str, ...]:
        """Return the names of the protocols that an upstream speaks, best first."""
        spoken: tuple[str, ...] = upstream.protocols
        return spoken

    def _resolve(self, name: str) -> tuple[str, tuple[Hop, ...]]:
        """Return the name that ``name`` is served under, and the steps to it."""
        return self._mapping.resolve(name)

    async def _decide(self, asked: str, name: str, protocol: str) -> Decision:
        model, hops = self._resolve(name)
        entries = list(self._entries.values())
        prefix, slash, rest = model.partition("/")
        if slash and prefix in self._entries and rest:
            entries, model = [self._entries[prefix]], rest
            offers = [self._offer(entries[0], None, protocol, forced=True)]
        else:
            lists = await gatherResults(
                [self._catalog.models(entry.upstream) for entry in entries], consumeErrors=True
            )
            offers = [
                self._offer(entry, models, protocol)
                for entry, models in zip(entries, lists, strict=True)
            ]
        capabilities = self._table.capabilities(model)
        judgements = select(offers, model, capabilities.family)
        candidates = tuple(
            self._candidate(self._entries[judgement.upstream], model, protocol)
            for judgement in judgements
            if judgement.chosen
        )
        return Decision(asked, model, hops, candidates, judgements, capabilities)

    def _offer(
        self,
        entry: Entry,
        models: Sequence[Model] | None,
        protocol: str,
        *,
        forced: bool = False,
    ) -> Offer:
        upstream = entry.upstream
        patterns = ("*",) if forced else (*entry.patterns, *entry.model_mapping)
        if entry.model_mapping and not entry.patterns and models is not None:
            patterns = (*patterns, *(model.id for model in models))
        return Offer(
            upstream.name,
            patterns,
            None if models is None else frozenset(model.id for model in models),
            frozenset(self._clients[name].traits.family for name in self._spoken(upstream)),
            protocol in self._spoken(upstream),
        )

    def _candidate(self, entry: Entry, model: str, protocol: str) -> Candidate:
        upstream = entry.upstream
        for pattern in sorted(entry.model_mapping, key=specificity, reverse=True):
            if matches(pattern, model):
                model = entry.model_mapping[pattern]
                break
        spoken = self._spoken(upstream)
        native = protocol in spoken
        client = self._clients[protocol if native else spoken[0]]
        target = Target(model, self._table.capabilities(model), upstream.quirks)
        return Candidate(upstream, client, target, native)

    async def _unknown(self, asked: str) -> str:
        names = [model.id for model in await self.models()]
        close = difflib.get_close_matches(asked, names, 3, 0.5)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        return (
            f"The model {asked!r} is not served here.{hint} GET /v1/models lists what is; "
            "[proxy.custom_mapping] maps names, [routing] fallback_model serves unknown ones."
        )
