"""What routing is told of upstreams, and what it finds for a model."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from antigravity.interfaces.accounts import LeaseRequest, UpstreamModel
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.aspects import NONE, Aspects
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.routing.mapping import MappingStep
from antigravity.routing.selection import RoutingReason


class UpstreamEntry(Struct, frozen=True):
    """One upstream with the settings that routing looks at.

    ``model_mapping`` says which of its models takes the place of which other.  ``families`` are
    the only ones that it serves, whatever it lists; ``None``: those of its protocols, and what
    it lists.
    ``rank`` and ``shares`` are as in :class:`UpstreamFacts`.  ``sole_for`` are the protocols whose
    requests go here and nowhere else.  ``prefix`` before a model's name asks this upstream,
    as ``NAME/`` does.  ``known_models`` are listed whatever the upstream itself lists.
    """

    upstream: IUpstream
    patterns: tuple[str, ...] = ()
    model_mapping: Mapping[str, str] = {}
    families: frozenset[str] | None = None
    rank: int = 0
    shares: bool = False
    sole_for: frozenset[str] = frozenset()
    prefix: str = ""
    known_models: tuple[str, ...] = ()

    def named_in(self, model: str) -> str:
        """Return the model's own name where ``model`` asks for this upstream, else nothing."""
        for prefix in (f"{self.upstream.name}/", self.prefix):
            if prefix and model.startswith(prefix):
                return model.removeprefix(prefix)
        return ""


class RoutingOption(Struct, frozen=True):
    """One way to serve a request; ``native`` if the upstream speaks the client's protocol.

    Candidates of one ``place`` serve in turn, those of a later one stand in.  ``differing``
    says in which ways the model is not like the one that the client named, and ``refused`` which
    fields its upstream refuses or takes otherwise: the client wrote for another one.
    """

    upstream: IUpstream
    client: IClientProtocol
    target: Target
    native: bool
    place: int = 0
    differing: Aspects = NONE
    refused: frozenset[str] = frozenset()


class RoutingDecision(Struct, frozen=True):
    """What routing found for one model name."""

    asked: str
    model: str
    steps: tuple[MappingStep, ...]
    options: tuple[RoutingOption, ...]
    reasons: tuple[RoutingReason, ...]
    capabilities: Capabilities

    @property
    def by_upstream_model(self) -> dict[UpstreamModel, RoutingOption]:
        """The options by what the pool of accounts knows of them."""
        return {
            UpstreamModel(option.upstream.name, option.target.model): option
            for option in self.options
        }

    def lease_request(self) -> LeaseRequest:
        """Return what is asked of the pool of accounts; for whom, others know."""
        by_upstream_model = self.by_upstream_model
        ranks = tuple(option.place for option in by_upstream_model.values())
        return LeaseRequest(tuple(by_upstream_model), ranks=ranks)
