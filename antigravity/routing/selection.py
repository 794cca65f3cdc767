"""Which of the upstreams may serve a model, and in which order: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from antigravity.routing.patterns import matches


class Fit(IntEnum):
    """How well an upstream fits a model; the lower, the better."""

    PATTERN = 0
    """Its ``models`` patterns name the model."""
    LISTED = 1
    """It lists the model."""
    FAMILY = 2
    """The model is of a family that it serves, though it is not listed."""
    STAND_IN = 3
    """It has not got the model, but a rule says which of its own takes the place."""
    UNKNOWN = 4
    """It does not say what it has."""
    NONE = 9
    """It has not got the model."""


_NAMED: Final = frozenset({Fit.PATTERN, Fit.LISTED})


class UpstreamFacts(Struct, frozen=True):
    """What routing knows of one upstream.

    ``models`` is ``None`` where the upstream does not tell; ``families`` are those that it
    serves, and if it is ``closed``, no others whatever it lists.  ``stand_ins`` are patterns of
    the models whose place one of its own takes.  ``speaks`` says whether it speaks the client's
    own protocol.  The lowest ``rank`` comes first; those of one rank come one after the other,
    unless one of them ``shares``.
    """

    name: str
    patterns: tuple[str, ...] = ()
    models: frozenset[str] | None = None
    families: frozenset[str] = frozenset()
    speaks: bool = False
    stand_ins: tuple[str, ...] = ()
    closed: bool = False
    rank: int = 0
    shares: bool = False


class RoutingReason(Struct, frozen=True):
    """Why an upstream was taken or left.

    ``place`` is where it stands among those that were taken; several may share one.
    """

    upstream: str
    fit: Fit
    reason: str
    place: int | None = None

    @property
    def chosen(self) -> bool:
        """Whether the upstream may serve."""
        return self.place is not None


def fit_of(offer: UpstreamFacts, model: str, family: str) -> tuple[Fit, str]:
    """Return how well an upstream fits, and why."""
    for pattern in offer.patterns:
        if matches(pattern, model):
            return Fit.PATTERN, f"its models setting has {pattern!r}"
    open_to = not offer.closed or family in offer.families
    if open_to and not offer.patterns and offer.models is not None and model in offer.models:
        return Fit.LISTED, "it lists the model"
    for pattern in offer.stand_ins:
        if matches(pattern, model):
            return Fit.STAND_IN, f"a model of its own takes the place of {pattern!r}"
    if offer.patterns:
        return Fit.NONE, "its models setting does not have it"
    if not open_to:
        return Fit.NONE, f"it serves {', '.join(sorted(offer.families))} models only"
    of_family = family in offer.families
    if offer.models is not None:
        if of_family:
            return Fit.FAMILY, f"it does not list the model, but serves {family} models"
        return Fit.NONE, "it does not list the model"
    if of_family:
        return Fit.FAMILY, f"it serves {family} models"
    return Fit.UNKNOWN, "it does not say which models it has"


def select(offers: Sequence[UpstreamFacts], model: str, family: str) -> tuple[RoutingReason, ...]:
    """Return a judgement on each upstream; the chosen ones come first, best first.

    Only the best kind of fit is chosen, but where a rank that comes earlier has a lesser one.
    Within a rank, upstreams that speak the client's protocol come first, then the order of
    the configuration counts.
    """
    judged = [(*fit_of(offer, model, family), offer) for offer in offers]
    sure = min((o.rank for fit, _, o in judged if fit in _NAMED), default=None)
    known = any(fit < Fit.UNKNOWN for fit, _, _ in judged)

    def wanted(fit: Fit, offer: UpstreamFacts) -> bool:
        match fit:
            case Fit.NONE:
                return False
            case Fit.UNKNOWN:
                return not known
            case Fit.FAMILY:
                return sure is None or offer.rank < sure
        return True

    taken = [each for each in judged if wanted(each[0], each[2])]
    taken.sort(key=lambda each: (each[2].rank, not each[2].speaks, each[0]))
    left = [each for each in judged if not wanted(each[0], each[2])]
    left.sort(key=lambda each: (not each[2].speaks, each[0]))
    places = _places([offer for _, _, offer in taken])
    return (
        *(
            RoutingReason(offer.name, fit, reason + _standing(offer), place)
            for (fit, reason, offer), place in zip(taken, places, strict=True)
        ),
        *(RoutingReason(offer.name, fit, reason) for fit, reason, offer in left),
    )


def _places(offers: Sequence[UpstreamFacts]) -> Iterator[int]:
    """Yield the place of each offer; they are in order."""
    sharing = {offer.rank for offer in offers if offer.shares}
    place, before = -1, None
    for offer in offers:
        if offer.rank != before or offer.rank not in sharing:
            place += 1
        before = offer.rank
        yield place


def _standing(offer: UpstreamFacts) -> str:
    """Return what an offer's rank means, if it is not the usual one."""
    if offer.shares:
        return f"; shares the requests of priority {offer.rank}"
    return f"; priority {offer.rank}" if offer.rank else ""
