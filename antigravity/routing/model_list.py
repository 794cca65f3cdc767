"""All models that can be served now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from antigravity.deferreds import gather
from antigravity.ir.capabilities import Model
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import UpstreamEntry
from antigravity.routing.mapping import ModelMapping
from antigravity.routing.patterns import matches
from antigravity.routing.reported_capabilities import reported_by_list


class ModelList:
    """The models of all upstreams, and the names that are mapped to them."""

    def __init__(
        self,
        entries: Sequence[UpstreamEntry],
        mapping: ModelMapping,
        table: CapabilityTable,
        catalog: ModelCatalog,
    ) -> None:
        self._entries = tuple(entries)
        self._mapping = mapping
        self._table = table
        self._catalog = catalog

    async def models(self) -> list[Model]:
        """Return every model, each once, with its capabilities, and the mapped names."""
        found: dict[str, Model] = {}
        for _, models in await self._offers():
            for model in models:
                if model.id not in found:
                    found[model.id] = self._with_capabilities(model, model.id)
        for name in self._mapping.names():
            if name not in found:
                target, _ = self._mapping.resolve(name)
                known = found.get(target)
                owner = known.owned_by if known is not None else "antigravity"
                found[name] = self._with_capabilities(Model(name, owned_by=owner), target)
        return list(found.values())

    async def offering(self) -> dict[str, tuple[str, ...]]:
        """Return for each model the names of the upstreams that list it or are set to serve it."""
        found: dict[str, dict[str, None]] = {}
        for upstream, models in await self._offers():
            for model in models:
                found.setdefault(model.id, {})[upstream] = None
        return {model: tuple(names) for model, names in found.items()}

    async def _offers(self) -> list[tuple[str, list[Model]]]:
        """Return the names of all upstreams with their models."""
        lists = await gather([self._catalog.models(entry.upstream) for entry in self._entries])
        return [
            (entry.upstream.name, self._models_of(entry, models))
            for entry, models in zip(self._entries, lists, strict=True)
        ]

    def _models_of(self, entry: UpstreamEntry, models: Sequence[Model] | None) -> list[Model]:
        """Return the models of one upstream: named in its settings, or listed and allowed."""
        named = (*entry.patterns, *entry.model_mapping, *entry.known_models)
        names = [name for name in named if name and "*" not in name]
        found = [Model(name, owned_by=entry.upstream.name) for name in names]
        for model in models or ():
            family = self._table.capabilities(model.id).family
            if entry.families is not None and family not in entry.families:
                continue
            if not entry.patterns or any(matches(p, model.id) for p in entry.patterns):
                found.append(model)
        return found

    def _with_capabilities(self, model: Model, name: str) -> Model:
        """Return the model with missing values from the capability table."""
        capabilities = self._table.capabilities(name, reported_by_list(model))
        if model.capabilities.embedding:  # reported by its upstream
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
