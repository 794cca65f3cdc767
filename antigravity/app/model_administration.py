"""The operator's view of models and their routes, and changes of the rules about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from antigravity.app.configuration_editor import ConfigurationEditor
from antigravity.config.file_edits import Changes
from antigravity.config.known_names import KnownNames
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.model_administration import (
    MOST_MODELS,
    Destination,
    FallbackTrial,
    IModelAdministration,
    MappingChange,
    MappingProposal,
    MappingTrial,
    ModelReport,
    RouteChange,
    RuleTrial,
    ServedModel,
)
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import ConflictError, GatewayError, InvalidRequestError
from antigravity.routing.mapping import ModelMapping, shipped_aliases
from antigravity.routing.patterns import matches
from antigravity.routing.router import Router

_MAPPING: Final = ("proxy", "custom_mapping")
_FALLBACKS: Final = ("routing", "fallback_models")
#: After so many routes, other requests get their turn.
_ROUTES_PER_TURN: Final = 8
#: The most models that are named for one rule.
_EXAMPLES: Final = 5


@implementer(IModelAdministration)
class ModelAdministration:
    """The models of one snapshot; see :class:`IModelAdministration`.

    :param protocols: the names of the protocols of clients.
    :param known: the names that plugins have registered.
    """

    def __init__(
        self,
        reactor: Any,
        snapshot: Snapshot,
        protocols: Sequence[str],
        known: KnownNames,
        editor: ConfigurationEditor,
        file: str,
    ) -> None:
        self._reactor = reactor
        self._snapshot = snapshot
        self._protocols = tuple(protocols)
        self._known = known
        self._editor = editor
        self._file = file

    def models(self) -> Deferred[ModelReport]:
        """Return a Deferred with all models that can be served."""
        return Deferred.fromCoroutine(self._models())

    def try_mapping(self, proposal: MappingProposal) -> Deferred[MappingTrial]:
        """Return a Deferred with what would happen with other rules; nothing changes."""
        return Deferred.fromCoroutine(self._try(proposal))

    def change_mapping(self, proposal: MappingProposal) -> Deferred[MappingChange]:
        """Return a Deferred that fires when other rules are in force."""
        return Deferred.fromCoroutine(self._change(proposal))

    async def _models(self) -> ModelReport:
        settings, router = self._snapshot.settings, self._snapshot.router
        offering = await router.offering()
        models = await router.models()
        aliases = dict(shipped_aliases()) if settings.routing.builtin_aliases else {}
        return ModelReport(
            models=[_served(each, offering, router.mapping) for each in models],
            upstreams=[upstream.name for upstream in router.upstreams],
            protocols=list(self._protocols),
            mapping=dict(settings.proxy.custom_mapping),
            builtin_aliases=aliases,
            fallback_models=dict(settings.routing.fallback_models),
            fallback_model=settings.routing.fallback_model,
        )

    async def _try(self, proposal: MappingProposal) -> MappingTrial:
        if proposal.protocol not in self._protocols:
            raise InvalidRequestError(
                f"{proposal.protocol[:100]!r} is not the protocol of a client; these are: "
                f"{', '.join(self._protocols)}.",
                param="protocol",
            )
        settings, now = self._snapshot.settings, self._snapshot.router
        rules = settings.proxy.custom_mapping if proposal.mapping is None else proposal.mapping
        fallbacks = proposal.fallback_models
        if fallbacks is None:
            fallbacks = settings.routing.fallback_models
        then = now.with_mapping(ModelMapping(rules, builtin=settings.routing.builtin_aliases))
        unmapped = now.with_mapping(ModelMapping({}))  # the model of a rule is not mapped again
        routes = _Routes(self._reactor, proposal.protocol)
        names, left_out = await self._names(rules, proposal.models)
        changes = []
        for name in names:
            before, after = await routes.find(now, name), await routes.find(then, name)
            if before != after:
                changes.append(RouteChange(model=name, before=before, after=after))
        tried = []
        for pattern, target in rules.items():
            examples = [name for name in names if _applies(then.mapping, pattern, name)]
            to = await routes.find(unmapped, target)
            tried.append(RuleTrial(pattern=pattern, to=to, models=examples[:_EXAMPLES]))
        chains = [
            FallbackTrial(pattern=pattern, to=[await routes.find(then, each) for each in models])
            for pattern, models in fallbacks.items()
        ]
        return MappingTrial(
            rules=tried,
            fallbacks=chains,
            changes=changes,
            looked_at=len(names),
            left_out=left_out,
            problem=await self._problem(proposal),
        )

    async def _names(
        self, rules: Mapping[str, str], wanted: Sequence[str]
    ) -> tuple[list[str], int]:
        """Return the models to look at, those asked for first, and the number of others."""
        snapshot = self._snapshot
        models = [model.id for model in await snapshot.router.models()]
        exact = [
            name for name in (*rules, *snapshot.settings.proxy.custom_mapping) if "*" not in name
        ]
        names = [name for name in dict.fromkeys((*wanted, *exact, *models)) if name.strip()]
        return names[:MOST_MODELS], max(0, len(names) - MOST_MODELS)

    async def _problem(self, proposal: MappingProposal) -> str:
        try:
            await self._editor.check(_changes(proposal), self._known)
        except ConflictError as error:
            return error.message
        return ""

    async def _change(self, proposal: MappingProposal) -> MappingChange:
        changes = _changes(proposal)
        if not changes:
            raise InvalidRequestError("Send a `mapping`, `fallback_models`, or both.")
        await self._editor.change(changes, self._known)
        settings = self._snapshot.settings
        mapping, fallbacks = proposal.mapping, proposal.fallback_models
        return MappingChange(
            file=self._file,
            mapping=dict(settings.proxy.custom_mapping) if mapping is None else mapping,
            fallback_models=(
                dict(settings.routing.fallback_models) if fallbacks is None else fallbacks
            ),
        )


class _Routes:
    """Finds where models go; other requests get a turn now and then."""

    def __init__(self, reactor: Any, protocol: str) -> None:
        self._reactor = reactor
        self._protocol = protocol
        self._number = 0

    async def find(self, router: Router, model: str) -> Destination:
        """Return where requests for a model go."""
        self._number += 1
        if self._number % _ROUTES_PER_TURN == 0:
            await deferLater(self._reactor, 0)
        try:
            decision = await router.route(model, self._protocol)
        except GatewayError as error:
            return Destination(model=model, problem=error.message)
        best = decision.options[0]
        return Destination(
            model=best.target.model,
            upstreams=list(dict.fromkeys(each.upstream.name for each in decision.options)),
        )


def _served(
    model: Model, offering: Mapping[str, tuple[str, ...]], mapping: ModelMapping
) -> ServedModel:
    target, steps = mapping.resolve(model.id)
    capabilities = model.capabilities
    return ServedModel(
        id=model.id,
        upstreams=list(offering.get(target if steps else model.id, ())),
        family=capabilities.family,
        context_window=model.input_token_limit,
        max_output_tokens=model.output_token_limit,
        thinking=capabilities.thinking,
        inputs=list(capabilities.inputs),
        outputs=list(capabilities.outputs),
        tools=capabilities.tools,
        embedding=capabilities.embedding,
        mapped_to=target if steps else "",
    )


def _applies(mapping: ModelMapping, pattern: str, name: str) -> bool:
    """Return whether this rule, and no better one, is for a name."""
    _, steps = mapping.resolve(name)
    return matches(pattern, name) and bool(steps) and steps[0].rule.endswith(f": {pattern}")


def _changes(proposal: MappingProposal) -> Changes:
    changes: dict[tuple[str, ...], object] = {}
    if proposal.mapping is not None:
        changes[_MAPPING] = proposal.mapping
    if proposal.fallback_models is not None:
        changes[_FALLBACKS] = proposal.fallback_models
    return changes
