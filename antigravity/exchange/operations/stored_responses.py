"""Requests that go on from an earlier answer, and answers that later ones may go on from."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import Struct

from antigravity.exchange.context import Continuation, RequestContext
from antigravity.exchange.operations.response_store import KeptAnswers, Origin
from antigravity.exchange.plan import Plan
from antigravity.interfaces.protocols import INamingTap, ITap
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import NotFoundError
from antigravity.routing.decision import RoutingOption


class _Identity(Struct):
    """The one field of an answer that is looked at."""

    id: str


_IDENTITY = msgspec.json.Decoder(_Identity)


def kept_answers(context: RequestContext) -> KeptAnswers:
    """Return what is known of the answers to the client's key."""
    return KeptAnswers(context.services.conversations, context.call.principal)


def expand_history(context: RequestContext) -> RequestContext:
    """Put the stored turns before the request's own, where it continues a stored response.

    A reference to a response that is not stored here becomes the context's continuation.
    """
    stored, body = context.traits.stored_responses, context.call.body
    reference = None if stored is None else stored.previous_id(body)
    if stored is None or reference is None:
        return context
    answers = kept_answers(context)
    found = answers.find(reference)
    if isinstance(found, bytes):
        return context.with_history(stored.expand(body, [found]))
    is_anothers = found is None and answers.is_anothers(reference)
    return context.with_continuation(Continuation(reference, found, is_anothers))


def only_with_history(context: RequestContext, plan: Plan, continuation: Continuation) -> Plan:
    """Keep the options that can look up the response which a request continues.

    :raises NotFoundError: if none is left.
    """
    origin = continuation.origin
    left = tuple(option for option in plan.options if option.native)
    if origin is not None:
        left = tuple(each for each in left if each.upstream.name == origin.upstream)
        left = left if credential_of(context, origin) is not None else ()
    elif continuation.is_anothers:  # upstreams do not tell our clients apart
        left = ()
    if not left:
        name = continuation.reference
        where = "is not known (any more)." if origin is None else "is kept by another upstream."
        raise NotFoundError(
            f"The response {name!r} {where} Send the whole conversation as input.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return plan.with_options(left)


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
    context: RequestContext, option: RoutingOption, credential: Credential, tap: ITap
) -> None:
    """Take note of who keeps an answer that is passed on, once its id is known."""
    stored, naming = context.traits.stored_responses, INamingTap(tap, None)
    if stored is None or naming is None:
        return
    if stored.wants_store(context.call.body):
        origin = Origin(option.upstream.name, credential.id, option.target.model)
        naming.name(partial(kept_answers(context).point, origin=origin))
