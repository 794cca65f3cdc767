"""The operator's requests about models and their routes."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.model_administration import (
    IModelAdministration,
    MappingChange,
    MappingProposal,
    MappingTrial,
    ModelReport,
)
from antigravity.ir.errors import ConflictError


class ModelRequests:
    """The requests about the models of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/models",
            summary="List the models that can be served with their upstreams, and the rules.",
            response=ModelReport,
            handler=self._list,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/mapping/try",
            summary="Show what would happen with other rules about names of models.",
            details=(
                "Nothing changes.  `mapping` replaces `proxy.custom_mapping`, and "
                "`fallback_models` the table in `[routing]`; one that is left out stays.  The "
                "response says where each rule leads, which models would go elsewhere (those that "
                "are known and those in `models`, up to 200), and in `problem` why the rules could "
                "not be written."
            ),
            example={"mapping": {"gpt-*": "claude-sonnet-5"}, "models": ["gpt-5.1"]},
            body=MappingProposal,
            response=MappingTrial,
            handler=self._try,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/mapping",
            summary="Write other rules about names of models into the configuration.",
            details=(
                "The configuration is then read again; comments and everything else in the file "
                "stay.  The response is 409 with the reason if the rules are not valid, an "
                "environment variable sets them, or the file cannot be written; the file is then "
                "as before."
            ),
            example={"mapping": {"gpt-*": "claude-sonnet-5"}},
            body=MappingProposal,
            response=MappingChange,
            errors=(ConflictError,),
            handler=self._change,
        )

    @property
    def _models(self) -> IModelAdministration:
        found: IModelAdministration = self._administration.models
        return found

    def _list(self) -> Deferred[ModelReport]:
        return self._models.models()

    def _try(self, body: MappingProposal) -> Deferred[MappingTrial]:
        return self._models.try_mapping(body)

    def _change(self, body: MappingProposal) -> Deferred[MappingChange]:
        return self._models.change_mapping(body)
