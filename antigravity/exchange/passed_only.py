"""Keep those candidates that can serve what cannot be translated."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from antigravity.exchange.work import Work
from antigravity.interfaces.answers import IPassedOnly
from antigravity.routing.router import Decision


def passable(work: Work, decision: Decision) -> Decision:
    """Return the decision without the candidates that a request cannot be translated for.

    :raises InvalidRequestError: if none is left.
    """
    if not IPassedOnly.providedBy(work.protocol):
        return decision
    left = tuple(candidate for candidate in decision.candidates if candidate.native)
    if len(left) == len(decision.candidates):
        return decision
    why = cast(IPassedOnly, work.protocol).untranslatable(work.call)
    if why is None:
        return decision
    if not left:
        raise why
    return replace(decision, candidates=left)
