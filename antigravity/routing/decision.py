"""The input of routing, upstreams with their settings, and its result for one model name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from antigravity.interfaces.accounts import LeaseRequest, UpstreamModel
from antigravity.interfaces.protocols import IClientProtocol
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.aspects import NONE, Aspects
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.routing.mapping import MappingStep
from antigravity.routing.selection import RoutingReason


class UpstreamEntry(Struct, frozen=True):
    """One upstream with its routing settings.

    ``patterns`` are the models that it serves (empty: those that it lists).  ``model_mapping``
    maps patterns of models to the upstream's own models that replace them.  ``families`` restricts
    the upstream to these families; ``None`` means those of its protocols, and any listed model.
    ``priority`` and ``shares_priority`` are as in :class:`UpstreamFacts`.  Requests in one of the
    ``exclusive_protocols`` go to this upstream only.  ``dispatch_mode`` is z.ai's setting of this
    name, empty for others.  ``prefix`` before a model name selects the
    upstream, as ``NAME/`` does.  ``known_models`` are listed in addition to the upstream's list.
    """

    upstream: IUpstream
    patterns: tuple[str, ...] = ()
    model_mapping: Mapping[str, str] = {}
    families: frozenset[str] | None = None
    priority: int = 0
    shares_priority: bool = False
    exclusive_protocols: frozenset[str] = frozenset()
    prefix: str = ""
    known_models: tuple[str, ...] = ()
    dispatch_mode: str = ""

    def strip_prefix(self, model: str) -> str:
        """Return the model name after this upstream's prefix, empty if it has none."""
        for prefix in (f"{self.upstream.name}/", self.prefix):
            if prefix and model.startswith(prefix):
                return model.removeprefix(prefix)
        return ""


class RoutingOption(Struct, frozen=True):
    """One way to serve a request.

    ``native`` says that the upstream speaks the client's protocol.  Options with the same ``rank``
    share the requests; those of a later rank are used if no earlier one can serve.  ``differing``
    are the aspects in which the model differs from the one that the client named, and ``refused``
    are the fields that its upstream refuses or interprets differently.  ``window`` is the model's
    context window in tokens, if it is known.  ``with_tools`` is the upstream's other protocol, if
    the model accepts functions together with thinking only there.
    """

    upstream: IUpstream
    client: IClientProtocol
    target: Target
    native: bool
    rank: int = 0
    differing: Aspects = NONE
    refused: frozenset[str] = frozenset()
    window: int | None = None
    with_tools: IClientProtocol | None = None


class RoutingDecision(Struct, frozen=True, dict=True):
    """The result of routing for one model name; many requests share it.

    ``requested`` is the client's model name, ``model`` the name after mapping.
    """

    requested: str
    model: str
    steps: tuple[MappingStep, ...]
    options: tuple[RoutingOption, ...]
    reasons: tuple[RoutingReason, ...]
    capabilities: Capabilities

    @cached_property
    def by_upstream_model(self) -> dict[UpstreamModel, RoutingOption]:
        """The options by upstream model, as the account pool knows them."""
        return {
            UpstreamModel(option.upstream.name, option.target.model): option
            for option in self.options
        }

    @cached_property
    def lease_request(self) -> LeaseRequest:
        """A request for an account of one of the options, without a client or session."""
        options = self.by_upstream_model
        return LeaseRequest(tuple(options), ranks=tuple(option.rank for option in options.values()))
