"""Find who can serve a model: mapping, then selection among the upstreams."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from antigravity.deferreds import gather
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IModelProtocols, IUpstream
from antigravity.ir.aspects import differences
from antigravity.ir.capabilities import Model, Target, within
from antigravity.ir.errors import NotFoundError, UnavailableError
from antigravity.ir.images import NO_WISH, ImageWish
from antigravity.routing import image_suffix
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision, RoutingOption, UpstreamEntry
from antigravity.routing.decision_cache import DecisionCache
from antigravity.routing.mapping import MappingStep, ModelMapping
from antigravity.routing.patterns import matches, specificity
from antigravity.routing.selection import Fit, RoutingReason, UpstreamFacts, fit_of, select

__all__ = ["Router", "RoutingDecision", "RoutingOption", "UpstreamEntry"]


class Router:
    """Routes models to upstreams, by the configuration of one snapshot."""

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
        self._stand_ins = {
            name: tuple(sorted(entry.model_mapping, key=specificity, reverse=True))
            for name, entry in self._entries.items()
        }
        self._clients = clients
        self._mapping = mapping
        self._table = table
        self._catalog = catalog
        self._fallback = fallback_model
        self._remembered = DecisionCache(catalog)

    @property
    def upstreams(self) -> tuple[IUpstream, ...]:
        """All upstreams, in the order of the configuration."""
        return tuple(entry.upstream for entry in self._entries.values())

    async def route(self, asked: str, protocol: str) -> RoutingDecision:
        """Return who can serve the model that a client of ``protocol`` asked for.

        :raises NotFoundError: if nobody can.
        :raises UnavailableError: if there is no upstream at all.
        """
        known = self._remembered.get(asked, protocol)
        if known is not None:
            return known
        changes = self._catalog.changes
        decision = await self._found(asked, protocol)
        self._remembered.put(asked, protocol, decision, changes)
        return decision

    async def _found(self, asked: str, protocol: str) -> RoutingDecision:
        if not self._entries:
            raise UnavailableError(
                "No upstream is configured. Add one with 'antigravity accounts add', or in the "
                "configuration file under [upstreams.NAME], or try the gateway with --demo.",
                code="no_upstream",
            )
        decision = await self._decide(asked, asked, protocol)
        if not decision.options and self._fallback:
            decision = await self._decide(asked, self._fallback, protocol, "routing.fallback_model")
        if not decision.options:
            reason = await self._unknown(asked, protocol)
            raise NotFoundError(reason, param="model", code="model_not_found")
        return decision

    def option_for(self, upstream: str, model: str) -> RoutingOption | None:
        """Return how one upstream serves a model of its own, ``None`` if it isn't there."""
        entry = self._entries.get(upstream)
        if entry is None:
            return None
        return self._candidate(entry, model, entry.upstream.protocols[0])

    def context_window(self, option: RoutingOption) -> int | None:
        """Return how many tokens an option's model takes, as far as that is known.

        The operator knows it best, then the upstream, then the table that is shipped.
        """
        target = option.target
        known = target.capabilities.context_window
        if self._table.is_own(target.model, "context_window"):
            return known
        return self._catalog.input_limit(option.upstream, target.model) or known

    def has_mapping(self, name: str) -> bool:
        """Return whether a rule names ``name`` itself; a wildcard does not."""
        return name in self._mapping.names()

    async def route_mapped(self, name: str, protocol: str) -> RoutingDecision | None:
        """Return who can serve a name that no client asks for and only rules know.

        ``None`` if no rule names it, or nobody can; no fallback model stands in.
        """
        if not self._entries or not self.has_mapping(name):
            return None
        decision = await self._decide(name, name, protocol)
        return decision if decision.options and decision.steps else None

    async def route_fallback(self, asked: str, name: str, protocol: str) -> RoutingDecision | None:
        """Return who can serve ``name`` to a client that asked for another; ``None``: nobody."""
        decision = await self._decide(asked, name, protocol, "routing.fallback_models")
        return decision if decision.options else None

    async def models(self) -> list[Model]:
        """Return every model that can be served now, each once, mapped names included."""
        lists = await gather([self._catalog.models(upstream) for upstream in self.upstreams])
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

    def _offered(self, entry: UpstreamEntry, models: Sequence[Model] | None) -> list[Model]:
        """Return what one upstream offers under its patterns."""
        named = (*entry.patterns, *entry.model_mapping, *entry.known_models)
        names = [name for name in named if name and "*" not in name]
        offered = [Model(name, owned_by=entry.upstream.name) for name in names]
        for model in models or ():
            family = self._table.capabilities(model.id).family
            if entry.families is not None and family not in entry.families:
                continue
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

    def _resolve(self, name: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the name that ``name`` is served under, and the steps to it."""
        return self._mapping.resolve(name)

    async def _decide(
        self, asked: str, name: str, protocol: str, rule: str = ""
    ) -> RoutingDecision:
        """Return who can serve ``name``, which ``rule`` has put in the place of what was asked."""
        model, steps, wish = self._wished(*self._resolve(name))
        sole = self._sole(protocol)
        if sole is not None:
            model, steps = await self._at_sole(sole, name, model, steps)
            wish = wish if steps else NO_WISH
        named = self._named(model)
        if named is not None:
            model = named.named_in(model)
        capabilities = self._table.capabilities(model)
        reasons: tuple[RoutingReason, ...]
        if sole is not None:
            reasons = self._judged_sole(sole, named, protocol)
        elif named is not None:
            reasons = (RoutingReason(named.upstream.name, Fit.PATTERN, "it was asked for", 0),)
        else:
            offers = await self._offers(protocol)
            reasons = select(offers, model, capabilities.family)
        options = tuple(
            self._candidate(
                self._entries[judgement.upstream], model, protocol, wish, judgement.place
            )
            for judgement in reasons
            if judgement.place is not None
        )
        options = tuple(self._compared(option, asked) for option in options)
        if rule:
            steps = (MappingStep(rule, asked, name), *steps)
        return RoutingDecision(asked, model, steps, options, reasons, capabilities)

    def _compared(self, option: RoutingOption, asked: str) -> RoutingOption:
        """Return the option with what sets it apart from the model that the client named."""
        named = self._named(asked)
        name = asked if named is None else named.named_in(asked)
        if not option.native or option.target.model == name:
            return option
        capabilities = option.target.capabilities
        differing = differences(self._table.capabilities(name), capabilities)
        refused = option.target.takes_otherwise()
        if not differing and not refused:
            return option
        return replace(option, differing=differing, refused=refused)

    def _sole(self, protocol: str) -> UpstreamEntry | None:
        """Return the upstream that alone serves a protocol, if one does."""
        return next((e for e in self._entries.values() if protocol in e.sole_for), None)

    async def _at_sole(
        self, sole: UpstreamEntry, name: str, model: str, steps: tuple[MappingStep, ...]
    ) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the mapped name if the only upstream knows it, else the name as it was."""
        if not steps or sole.named_in(model):
            return model, steps
        offer = self._offer(sole, await self._catalog.models(sole.upstream), "")
        fit, _ = fit_of(offer, model, self._table.capabilities(model).family)
        known = fit is not Fit.NONE and self._named(model) is None
        return (model, steps) if known else (name, ())

    def _named(self, model: str) -> UpstreamEntry | None:
        """Return the upstream that a model's name asks for, if it does."""
        return next((e for e in self._entries.values() if e.named_in(model)), None)

    def _judged_sole(
        self, sole: UpstreamEntry, named: UpstreamEntry | None, protocol: str
    ) -> tuple[RoutingReason, ...]:
        """Return the reasons where one upstream alone serves a protocol."""
        own = sole.upstream.name
        reason = f"it alone serves requests in the protocol {protocol}"
        place = 0 if named in (None, sole) else None
        if place is None:
            reason += ", but another upstream was asked for"
        return (
            RoutingReason(own, Fit.PATTERN, reason, place),
            *(
                RoutingReason(name, Fit.NONE, f"{own} alone serves requests in {protocol}")
                for name in self._entries
                if name != own
            ),
        )

    async def _offers(self, protocol: str) -> list[UpstreamFacts]:
        entries = list(self._entries.values())
        lists = await gather([self._catalog.models(entry.upstream) for entry in entries])
        return [
            self._offer(entry, models, protocol)
            for entry, models in zip(entries, lists, strict=True)
        ]

    def _offer(
        self, entry: UpstreamEntry, models: Sequence[Model] | None, protocol: str
    ) -> UpstreamFacts:
        upstream = entry.upstream
        families = entry.families
        if families is None:
            spoken = self._spoken(upstream)
            families = frozenset(self._clients[name].traits.family for name in spoken)
        return UpstreamFacts(
            upstream.name,
            entry.patterns,
            None if models is None else frozenset(model.id for model in models),
            families,
            protocol in self._spoken(upstream),
            self._stand_ins[upstream.name],
            closed=entry.families is not None,
            rank=entry.rank,
            shares=entry.shares,
        )

    def _wished(
        self, model: str, steps: tuple[MappingStep, ...]
    ) -> tuple[str, tuple[MappingStep, ...], ImageWish]:
        """Return the model without what the end of its name says about images, and that.

        A name that is mapped or listed as it is means nothing else.
        """
        base, wish = image_suffix.split(model)
        if wish == NO_WISH or steps:
            return model, steps, NO_WISH
        listed = (self._catalog.known(upstream) or () for upstream in self.upstreams)
        if any(known.id == model for models in listed for known in models):
            return model, steps, NO_WISH
        served, more = self._resolve(base)
        if not self._table.capabilities(served.rpartition("/")[2]).image_ratios:
            return model, steps, NO_WISH
        return served, (MappingStep("image suffix", model, base), *more), wish

    def _candidate(
        self,
        entry: UpstreamEntry,
        model: str,
        protocol: str,
        wish: ImageWish = NO_WISH,
        place: int = 0,
    ) -> RoutingOption:
        upstream = entry.upstream
        for pattern in self._stand_ins[upstream.name]:
            if matches(pattern, model):
                model = entry.model_mapping[pattern]
                break
        spoken = self._spoken(upstream)
        capabilities = within(self._table.capabilities(model), upstream.quirks)
        name = protocol if protocol in spoken else spoken[0]
        if name != protocol and capabilities.tools_protocol in spoken:
            name = capabilities.tools_protocol
        if capabilities.protocol in self._clients and IModelProtocols.providedBy(upstream):
            own: Any = upstream
            name = capabilities.protocol if capabilities.protocol in own.model_protocols else name
        target = Target(model, capabilities, upstream.quirks, wish)
        return RoutingOption(upstream, self._clients[name], target, name == protocol, place)

    async def _unknown(self, asked: str, protocol: str) -> str:
        sole = self._sole(protocol)
        if sole is not None:
            return (
                f"The model {asked!r} is of another upstream, but {sole.upstream.name} alone "
                f"serves requests in the protocol {protocol}."
            )
        names = [model.id for model in await self.models()]
        close = difflib.get_close_matches(asked, names, 3, 0.5)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        return (
            f"The model {asked!r} is not served here.{hint} GET /v1/models lists what is; "
            "[proxy.custom_mapping] maps names, [routing] fallback_model serves unknown ones."
        )
