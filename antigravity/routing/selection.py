"""Which of the upstreams may serve a model, and in which order: pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from msgspec import Struct

from antigravity.routing.patterns import matches


class Fit(IntEnum):
    """How well an upstream fits a model; the lower, the better."""

    PATTERN = 0
    """Its ``models`` patterns name the model."""
    LISTED = 1
    """It lists the model."""
    FAMILY = 2
    """The model is of the family that its protocol is native to, though it is not listed."""
    UNKNOWN = 3
    """It does not say what it has."""
    NONE = 9
    """It has not got the model."""


class Offer(Struct, frozen=True):
    """What routing knows of one upstream.

    ``models`` is ``None`` where the upstream does not tell; ``families`` are those of its
    protocols; ``speaks`` says whether it speaks the client's own protocol.
    """

    name: str
    patterns: tuple[str, ...] = ()
    models: frozenset[str] | None = None
    families: frozenset[str] = frozenset()
    speaks: bool = False


class Judgement(Struct, frozen=True):
    """Why an upstream was taken or left."""

    upstream: str
    fit: Fit
    reason: str
    chosen: bool = False


def fit_of(offer: Offer, model: str, family: str) -> tuple[Fit, str]:
    """Return how well an upstream fits, and why."""
    if offer.patterns:
        for pattern in offer.patterns:
            if matches(pattern, model):
                return Fit.PATTERN, f"its models setting has {pattern!r}"
        return Fit.NONE, "its models setting does not have it"
    if offer.models is not None and model in offer.models:
        return Fit.LISTED, "it lists the model"
    of_family = family in offer.families
    if offer.models is not None:
        if of_family:
            return Fit.FAMILY, f"it does not list the model, but serves {family} models"
        return Fit.NONE, "it does not list the model"
    if of_family:
        return Fit.FAMILY, f"it serves {family} models"
    return Fit.UNKNOWN, "it does not say which models it has"


def select(offers: Sequence[Offer], model: str, family: str) -> tuple[Judgement, ...]:
    """Return a judgement on each upstream; the chosen ones come first, best first.

    Only the best kind of fit is chosen; within it, upstreams that speak the client's
    protocol come first, then the order of the configuration counts.
    """
    judged = [(*fit_of(offer, model, family), offer) for offer in offers]
    best = min((fit for fit, _, _ in judged), default=Fit.NONE)
    named = {Fit.PATTERN, Fit.LISTED}
    wanted = named if best in named else {best} - {Fit.NONE}
    order = sorted(judged, key=lambda j: (j[0] not in wanted, not j[2].speaks, j[0]))
    return tuple(Judgement(offer.name, fit, reason, fit in wanted) for fit, reason, offer in order)
