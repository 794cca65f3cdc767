"""Requests that go on from an earlier answer, and answers that later ones may go on from."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.response_store import KeptAnswers, Origin
from antigravity.interfaces.protocols import INamingTap, ITap
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import NotFoundError
from antigravity.routing.router import Candidate, Decision


class _Identity(Struct):
    """The one field of an answer that is looked at."""

    id: str


_IDENTITY = msgspec.json.Decoder(_Identity)


def kept_answers(context: RequestContext) -> KeptAnswers:
    """Return what is known of the answers to the client's key."""
    return KeptAnswers(context.services.conversations, context.call.principal)


def expand_history(context: RequestContext, decision: Decision) -> Decision:
    """Put the stored turns before the request's own, where it refers to some.

    Return the decision with those who can know what they are: a reference that is not known
    here is left to upstreams that keep their own.

    :raises NotFoundError: if nobody can know it.
    """
    context.origin = None
    stored = context.traits.stored_responses
    reference = None if stored is None else stored.previous_id(context.call.body)
    if stored is None or reference is None:
        return decision
    answers = kept_answers(context)
    found = answers.find(reference)
    if isinstance(found, bytes):
        context.call = replace(context.call, body=stored.expand(context.call.body, [found]))
        context.__dict__.pop("request", None)
        context.is_expanded = True
        return decision
    left = tuple(candidate for candidate in decision.candidates if candidate.native)
    if found is not None:
        left = tuple(c for c in left if c.upstream.name == found.upstream)
        left = left if credential_of(context, found) is not None else ()
        context.origin = found
    elif answers.is_anothers(reference):  # upstreams do not tell our clients apart
        left = ()
    if not left:
        where = "is not known (any more)." if found is None else "is kept by another upstream."
        raise NotFoundError(
            f"The response {reference!r} {where} Send the whole conversation as input.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return replace(decision, candidates=left)


def credential_of(context: RequestContext, origin: Origin) -> Credential | None:
    """Return the credential that an answer was made with, if it may still be used."""
    known = context.snapshot.credentials
    if origin.upstream not in known.upstreams:
        return None
    credentials = known.credentials(origin.upstream)
    return next((c for c in credentials if c.id == origin.credential), None)


def keep_conversation(context: RequestContext, response: bytes) -> None:
    """Keep an answer (its whole JSON object), so that a later request can refer to it."""
    stored = context.traits.stored_responses
    if stored is not None and stored.wants_store(context.call.body):
        snapshot = stored.snapshot(context.call.body, response)
        kept_answers(context).keep(_IDENTITY.decode(response).id, snapshot)


def remember_origin(
    context: RequestContext, candidate: Candidate, credential: Credential, tap: ITap
) -> None:
    """Take note of who keeps an answer that is passed on, once its id is known."""
    stored, naming = context.traits.stored_responses, INamingTap(tap, None)
    if stored is None or naming is None:
        return
    if stored.wants_store(context.call.body):
        origin = Origin(candidate.upstream.name, credential.id, candidate.target.model)
        naming.name(partial(kept_answers(context).point, origin=origin))
