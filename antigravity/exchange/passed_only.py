"""Keep those candidates that can serve what cannot be translated."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.exchange.context import RequestContext
from antigravity.ir.errors import InvalidRequestError
from antigravity.routing.router import Decision


def untranslatable(context: RequestContext) -> InvalidRequestError | None:
    """Return why only an upstream of the client's protocol can serve a request, if that is so."""
    native_only_error = context.traits.native_only_error
    return None if native_only_error is None else native_only_error(context.call)


def native_only(context: RequestContext, decision: Decision) -> Decision:
    """Return the decision without the candidates that a request cannot be translated for.

    :raises InvalidRequestError: if none is left.
    """
    left = tuple(candidate for candidate in decision.candidates if candidate.native)
    if len(left) == len(decision.candidates):
        return decision
    why = untranslatable(context)
    if why is None:
        return decision
    if not left:
        raise why
    return replace(decision, candidates=left)
