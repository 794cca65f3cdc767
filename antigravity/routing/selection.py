"""Selection and order of the upstreams that may serve a model.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from antigravity.routing.patterns import matches


class Fit(IntEnum):
    """How well an upstream fits a model; lower is better."""

    PATTERN = 0
    """Its ``models`` patterns include the model."""
    LISTED = 1
    """It lists the model."""
    FAMILY = 2
    """It serves the model's family, but does not list the model."""
    REPLACED = 3
    """It does not have the model, but a rule names one of its own models instead."""
    UNKNOWN = 4
    """It does not list its models."""
    NONE = 9
    """It does not have the model."""


_CERTAIN: Final = frozenset({Fit.PATTERN, Fit.LISTED})


class UpstreamFacts(Struct, frozen=True):
    """The facts about one upstream that decide whether it may serve a model.

    ``models`` is ``None`` if the upstream does not list its models.  ``families`` are those that
    it serves; if it is ``restricted``, it serves no others, even if it lists them.  ``replaced``
    are patterns of models that it serves with one of its own.  ``native`` says that it speaks the
    client's protocol.  The lowest ``priority`` comes first.  Upstreams of the same priority come
    one after the other, unless one of them has ``shares_priority``.
    """

    name: str
    patterns: tuple[str, ...] = ()
    models: frozenset[str] | None = None
    families: frozenset[str] = frozenset()
    native: bool = False
    replaced: tuple[str, ...] = ()
    restricted: bool = False
    priority: int = 0
    shares_priority: bool = False


class RoutingReason(Struct, frozen=True):
    """Why an upstream was chosen or not.

    ``rank`` is its position among the chosen ones, which several can share; ``None`` if it was not
    chosen.
    """

    upstream: str
    fit: Fit
    text: str
    rank: int | None = None

    @property
    def chosen(self) -> bool:
        """Whether the upstream may serve."""
        return self.rank is not None


def find_fit(upstream: UpstreamFacts, model: str, family: str) -> tuple[Fit, str]:
    """Return how well an upstream fits a model, and the reason."""
    for pattern in upstream.patterns:
        if matches(pattern, model):
            return Fit.PATTERN, f"its models setting has {pattern!r}"
    of_family = family in upstream.families
    is_open = of_family or not upstream.restricted
    lists = upstream.models is not None and model in upstream.models
    if is_open and not upstream.patterns and lists:
        return Fit.LISTED, "it lists the model"
    for pattern in upstream.replaced:
        if matches(pattern, model):
            return Fit.REPLACED, f"one of its own models replaces {pattern!r}"
    if upstream.patterns:
        return Fit.NONE, "its models setting does not have it"
    if not is_open:
        return Fit.NONE, f"it serves {', '.join(sorted(upstream.families))} models only"
    if upstream.models is not None:
        if of_family:
            return Fit.FAMILY, f"it does not list the model, but serves {family} models"
        return Fit.NONE, "it does not list the model"
    if of_family:
        return Fit.FAMILY, f"it serves {family} models"
    return Fit.UNKNOWN, "it does not list its models"


def select(
    upstreams: Sequence[UpstreamFacts], model: str, family: str
) -> tuple[RoutingReason, ...]:
    """Return for each upstream whether it was chosen; the chosen ones come first, best first.

    Upstreams that fit by family are chosen only if no certain fit has the same or an earlier
    priority, and those with unknown models only if no other fits.  Within a priority, upstreams of
    the client's protocol come first, then the order of the configuration counts.
    """
    fits = [(*find_fit(upstream, model, family), upstream) for upstream in upstreams]
    certain = min((u.priority for fit, _, u in fits if fit in _CERTAIN), default=None)
    any_known = any(fit < Fit.UNKNOWN for fit, _, _ in fits)

    def is_chosen(fit: Fit, upstream: UpstreamFacts) -> bool:
        match fit:
            case Fit.NONE:
                return False
            case Fit.UNKNOWN:
                return not any_known
            case Fit.FAMILY:
                return certain is None or upstream.priority < certain
        return True

    chosen = [each for each in fits if is_chosen(each[0], each[2])]
    chosen.sort(key=lambda each: (each[2].priority, not each[2].native, each[0]))
    others = [each for each in fits if not is_chosen(each[0], each[2])]
    others.sort(key=lambda each: (not each[2].native, each[0]))
    ranks = _ranks([upstream for _, _, upstream in chosen])
    return (
        *(
            RoutingReason(upstream.name, fit, reason + _describe_priority(upstream), rank)
            for (fit, reason, upstream), rank in zip(chosen, ranks, strict=True)
        ),
        *(RoutingReason(upstream.name, fit, reason) for fit, reason, upstream in others),
    )


def _ranks(upstreams: Sequence[UpstreamFacts]) -> Iterator[int]:
    """Yield the rank of each upstream; they are sorted."""
    shared = {upstream.priority for upstream in upstreams if upstream.shares_priority}
    rank, before = -1, None
    for upstream in upstreams:
        if upstream.priority != before or upstream.priority not in shared:
            rank += 1
        before = upstream.priority
        yield rank


def _describe_priority(upstream: UpstreamFacts) -> str:
    if upstream.shares_priority:
        return f"; shares the requests of priority {upstream.priority}"
    return f"; priority {upstream.priority}" if upstream.priority else ""
