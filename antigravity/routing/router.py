"""The router: maps a model name, then selects among the upstreams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.deferreds import gather
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IModelProtocols, IUpstream
from antigravity.ir.aspects import differences
from antigravity.ir.capabilities import Model, Target, within
from antigravity.ir.errors import NotFoundError, UnavailableError
from antigravity.ir.images import NO_IMAGE_OPTIONS, ImageOptions
from antigravity.routing import image_suffix
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision, RoutingOption, UpstreamEntry
from antigravity.routing.decision_cache import DecisionCache
from antigravity.routing.mapping import MappingStep, ModelMapping
from antigravity.routing.model_description import ModelDescription, describe_option
from antigravity.routing.model_list import ModelList
from antigravity.routing.patterns import matches, specificity
from antigravity.routing.selection import Fit, RoutingReason, UpstreamFacts, find_fit, select
from antigravity.routing.unserved import exclusive_message, unserved_message

NO_UPSTREAM: Final = (
    "No upstream is configured. Add one with 'antigravity accounts add', or in the configuration "
    "file under [upstreams.NAME], or try the gateway with --demo."
)


class Router:
    """Routes model names to upstreams by the settings of one snapshot."""

    def __init__(
        self,
        entries: Sequence[UpstreamEntry],
        clients: Mapping[str, IClientProtocol],
        mapping: ModelMapping,
        table: CapabilityTable,
        catalog: ModelCatalog,
        fallback_model: str = "",
    ) -> None:
        self._entries = {entry.upstream.name: entry for entry in entries}
        self._replaced = {
            name: tuple(sorted(entry.model_mapping, key=specificity, reverse=True))
            for name, entry in self._entries.items()
        }
        self._clients = clients
        self._mapping = mapping
        self._table = table
        self._catalog = catalog
        self._fallback = fallback_model
        self._cache = DecisionCache(catalog)
        self._list = ModelList(entries, mapping, table, catalog)

    @property
    def upstreams(self) -> tuple[IUpstream, ...]:
        """All upstreams, in the order of the configuration."""
        return tuple(entry.upstream for entry in self._entries.values())

    @property
    def mapping(self) -> ModelMapping:
        """The rules about names of models."""
        return self._mapping

    def with_mapping(self, mapping: ModelMapping) -> Router:
        """Return a router over the same upstreams and lists of models with other rules."""
        entries, clients = tuple(self._entries.values()), self._clients
        return Router(entries, clients, mapping, self._table, self._catalog, self._fallback)

    def known_decision(self, requested: str, protocol: str) -> RoutingDecision | None:
        """Return what :meth:`route` would return at once, ``None`` if it has to decide."""
        return self._cache.get(requested, protocol)

    async def route(self, requested: str, protocol: str) -> RoutingDecision:
        """Return the routing decision for a model that a client of ``protocol`` requested.

        :raises NotFoundError: if no upstream can serve it.
        :raises UnavailableError: if no upstream is configured.
        """
        cached = self._cache.get(requested, protocol)
        if cached is not None:
            return cached
        changes = self._catalog.changes
        decision = await self._route(requested, protocol)
        self._cache.put(requested, protocol, decision, changes)
        return decision

    async def _route(self, requested: str, protocol: str) -> RoutingDecision:
        if not self._entries:
            raise UnavailableError(NO_UPSTREAM, code="no_upstream")
        decision = await self._decide_or_fall_back(requested, protocol)
        if not decision.options:
            message = await self._not_found_message(requested, protocol)
            raise NotFoundError(message, param="model", code="model_not_found")
        return decision

    async def _decide_or_fall_back(self, requested: str, protocol: str) -> RoutingDecision:
        decision = await self._decide(requested, requested, protocol)
        if not decision.options and self._fallback:
            return await self._decide(requested, self._fallback, protocol, "routing.fallback_model")
        return decision

    async def examine(self, requested: str, protocol: str) -> tuple[RoutingDecision, str]:
        """Return the decision for a model, and why it has no option; empty if it has one."""
        decision = await self._decide_or_fall_back(requested, protocol)
        if decision.options:
            return decision, ""
        if not self._entries:
            return decision, NO_UPSTREAM
        return decision, await self._not_found_message(requested, protocol)

    async def describe(self, requested: str, protocol: str) -> list[ModelDescription]:
        """Return what is believed about the models that serve a requested one, best first.

        :raises NotFoundError: if no upstream can serve it.
        """
        decision = await self.route(requested, protocol)
        return [
            describe_option(
                option, self._table, self._catalog.reported(option.upstream, option.target.model)
            )
            for option in decision.options
        ]

    def option_for(self, upstream: str, model: str) -> RoutingOption | None:
        """Return the option of one upstream for a model of its own, ``None`` without it."""
        entry = self._entries.get(upstream)
        if entry is None:
            return None
        return self._option(entry, model, entry.upstream.protocols[0])

    def has_mapping(self, name: str) -> bool:
        """Return whether a mapping rule has exactly this name, not only a wildcard."""
        return self._mapping.has_name(name)

    async def route_mapped(self, name: str, protocol: str) -> RoutingDecision | None:
        """Return the decision for an internal name that only mapping rules know.

        ``None`` if no rule has it, or no upstream can serve it; no fallback model is used.
        """
        if not self._entries or not self.has_mapping(name):
            return None
        decision = await self._decide(name, name, protocol)
        return decision if decision.options and decision.steps else None

    async def route_fallback(
        self, requested: str, name: str, protocol: str
    ) -> RoutingDecision | None:
        """Return the decision for a fallback model, ``None`` if no upstream can serve it."""
        decision = await self._decide(requested, name, protocol, "routing.fallback_models")
        return decision if decision.options else None

    async def models(self) -> list[Model]:
        """Return every model that can be served now, each once, including mapped names."""
        return await self._list.models()

    async def offering(self) -> dict[str, tuple[str, ...]]:
        """Return for each model the names of the upstreams that list it or are set to serve it."""
        return await self._list.offering()

    def _protocols(self, upstream: IUpstream) -> tuple[str, ...]:
        """Return the names of the protocols that an upstream speaks, best first."""
        protocols: tuple[str, ...] = upstream.protocols
        return protocols

    def _resolve(self, name: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the mapped name, and the steps to it."""
        return self._mapping.resolve(name)

    async def _decide(
        self, requested: str, name: str, protocol: str, rule: str = ""
    ) -> RoutingDecision:
        """Return the decision for ``name``, which ``rule`` has substituted for ``requested``."""
        model, steps, image_options = self._split_image_suffix(*self._resolve(name))
        exclusive = self._exclusive(protocol)
        if exclusive is not None:
            model, steps = await self._map_for_exclusive(exclusive, name, model, steps)
            image_options = image_options if steps else NO_IMAGE_OPTIONS
        named = self._named(model)
        if named is not None:
            model = named.strip_prefix(model)
        capabilities = self._table.capabilities(model)
        reasons: tuple[RoutingReason, ...]
        if exclusive is not None:
            reasons = self._exclusive_reasons(exclusive, named, protocol)
        elif named is not None:
            text = "the model name has its prefix"
            reasons = (RoutingReason(named.upstream.name, Fit.PATTERN, text, 0),)
        else:
            reasons = select(await self._facts(protocol), model, capabilities.family)
        options = tuple(
            self._compare(
                self._option(
                    self._entries[each.upstream], model, protocol, image_options, each.rank
                ),
                requested,
            )
            for each in reasons
            if each.rank is not None
        )
        options = tuple(filter(_can_run, options))
        if rule:
            steps = (MappingStep(rule, requested, name), *steps)
        return RoutingDecision(requested, model, steps, options, reasons, capabilities)

    def _compare(self, option: RoutingOption, requested: str) -> RoutingOption:
        """Return the option with its differences from the model that the client named."""
        named = self._named(requested)
        name = requested if named is None else named.strip_prefix(requested)
        if not option.native or option.target.model == name:
            return option
        # Both by the table: what only one upstream reports is no difference.
        served = within(self._table.capabilities(option.target.model), option.target.quirks)
        differing = differences(self._table.capabilities(name), served)
        refused = option.target.restricted_fields()
        if not differing and not refused:
            return option
        return replace(option, differing=differing, refused=refused)

    def _named(self, model: str) -> UpstreamEntry | None:
        """Return the upstream whose prefix a model name has, if there is one."""
        return next((e for e in self._entries.values() if e.strip_prefix(model)), None)

    def _exclusive(self, protocol: str) -> UpstreamEntry | None:
        """Return the only upstream for requests in a protocol, if there is one."""
        entries = self._entries.values()
        return next((e for e in entries if protocol in e.exclusive_protocols), None)

    async def _map_for_exclusive(
        self, exclusive: UpstreamEntry, name: str, model: str, steps: tuple[MappingStep, ...]
    ) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the mapped name if the exclusive upstream has it, else the original name."""
        if not steps or exclusive.strip_prefix(model):
            return model, steps
        facts = self._facts_of(exclusive, await self._catalog.models(exclusive.upstream), "")
        fit, _ = find_fit(facts, model, self._table.capabilities(model).family)
        known = fit is not Fit.NONE and self._named(model) is None
        return (model, steps) if known else (name, ())

    def _exclusive_reasons(
        self, exclusive: UpstreamEntry, named: UpstreamEntry | None, protocol: str
    ) -> tuple[RoutingReason, ...]:
        own = exclusive.upstream.name
        text = f"it alone serves requests in the protocol {protocol}"
        rank = 0 if named in (None, exclusive) else None
        if rank is None:
            text += ", but the model name has the prefix of another upstream"
        return (
            RoutingReason(own, Fit.PATTERN, text, rank),
            *(
                RoutingReason(name, Fit.NONE, f"{own} alone serves requests in {protocol}")
                for name in self._entries
                if name != own
            ),
        )

    async def _facts(self, protocol: str) -> list[UpstreamFacts]:
        entries = list(self._entries.values())
        lists = await gather([self._catalog.models(entry.upstream) for entry in entries])
        return [
            self._facts_of(entry, models, protocol)
            for entry, models in zip(entries, lists, strict=True)
        ]

    def _facts_of(
        self, entry: UpstreamEntry, models: Sequence[Model] | None, protocol: str
    ) -> UpstreamFacts:
        upstream, families = entry.upstream, entry.families
        protocols = self._protocols(upstream)
        if families is None:
            families = frozenset(self._clients[name].traits.family for name in protocols)
        return UpstreamFacts(
            upstream.name,
            entry.patterns,
            None if models is None else frozenset(model.id for model in models),
            families,
            protocol in protocols,
            self._replaced[upstream.name],
            restricted=entry.families is not None,
            priority=entry.priority,
            shares_priority=entry.shares_priority,
        )

    def _split_image_suffix(
        self, model: str, steps: tuple[MappingStep, ...]
    ) -> tuple[str, tuple[MappingStep, ...], ImageOptions]:
        """Return the model without an image suffix, and the meaning of the suffix.

        A name that is mapped or listed has no suffix.
        """
        base, image_options = image_suffix.split(model)
        if image_options == NO_IMAGE_OPTIONS or steps:
            return model, steps, NO_IMAGE_OPTIONS
        listed = (self._catalog.known(upstream) or () for upstream in self.upstreams)
        if any(known.id == model for models in listed for known in models):
            return model, steps, NO_IMAGE_OPTIONS
        served, more = self._resolve(base)
        if not self._table.capabilities(served.rpartition("/")[2]).image_ratios:
            return model, steps, NO_IMAGE_OPTIONS
        return served, (MappingStep("image suffix", model, base), *more), image_options

    def _option(
        self,
        entry: UpstreamEntry,
        model: str,
        protocol: str,
        image_options: ImageOptions = NO_IMAGE_OPTIONS,
        rank: int = 0,
    ) -> RoutingOption:
        upstream = entry.upstream
        for pattern in self._replaced[upstream.name]:
            if matches(pattern, model):
                model = entry.model_mapping[pattern]
                break
        protocols = self._protocols(upstream)
        reported = self._catalog.reported(upstream, model)
        capabilities = within(self._table.capabilities(model, reported), upstream.quirks)
        name = protocol if protocol in protocols else protocols[0]
        if name != protocol and capabilities.tools_protocol in protocols:
            name = capabilities.tools_protocol
        special, own = IModelProtocols(upstream, None), capabilities.protocol
        if own in protocols:
            name = own
        if special is not None and own in self._clients and own in special.model_protocols:
            name = own
        target = Target(model, capabilities, upstream.quirks, image_options)
        other = capabilities.tools_protocol
        return RoutingOption(
            upstream,
            self._clients[name],
            target,
            name == protocol,
            rank,
            window=capabilities.context_window,
            with_tools=self._clients[other] if other in protocols and other != name else None,
        )

    async def _not_found_message(self, requested: str, protocol: str) -> str:
        exclusive = self._exclusive(protocol)
        if exclusive is not None:
            return exclusive_message(requested, protocol, exclusive)
        names = [model.id for model in await self.models()]
        return unserved_message(requested, names, tuple(self._entries.values()))


def _can_run(option: RoutingOption) -> bool:
    """Return whether an upstream speaks the only protocol in which an agent is served."""
    capabilities = option.target.capabilities
    return not capabilities.agent or option.client.name == capabilities.protocol
