"""Requests that continue a stored response, and responses that later requests can continue."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec
from msgspec import Struct
from twisted.internet.task import deferLater

from antigravity.exchange.context import Continuation, RequestContext
from antigravity.exchange.operations.response_store import ResponseOrigin, ResponseStore
from antigravity.interfaces.protocols import IResponseIdTap, ITap
from antigravity.interfaces.server_traits import StoredResponses
from antigravity.interfaces.upstreams import Credential
from antigravity.routing.decision import RoutingOption

#: The kind of contents that stored responses are.
RESPONSES: Final = "response"
#: What is wrong with a response whose account was removed or disabled.
ACCOUNT_GONE: Final = "is stored for an account that is no longer available here."


class _Identity(Struct):
    """The only field of a response that is read."""

    id: str


_IDENTITY = msgspec.json.Decoder(_Identity)


def client_responses(context: RequestContext) -> ResponseStore:
    """Return the stored responses of the client."""
    services, name = context.services, context.protocol.name
    store, principal = services.conversations, context.call.principal
    if services.content is None:
        return ResponseStore(store, principal, name)
    ttl = context.snapshot.settings.responses.ttl
    shared, pause = services.content.kind(RESPONSES), partial(deferLater, services.clock)
    return ResponseStore(store, principal, name, shared, ttl, pause)


async def expand_history(context: RequestContext) -> RequestContext:
    """Put what is stored into a request that continues a response or names single items.

    A reference to a response that is not stored here becomes the context's continuation.
    """
    stored = context.traits.stored_responses
    if stored is None:
        return context
    context = await _with_referenced_items(context, stored)
    body, reference = context.call.body, stored.previous_id(context.outline)
    if reference is None:
        return context
    responses = client_responses(context)
    await responses.fetch((reference,))
    found = responses.get(reference)
    if isinstance(found, bytes):
        expanded = await context.compute_with(len(found), stored.expand, body, [found])
        return context.with_history(expanded)
    is_other_clients = found is None and responses.is_other_clients(reference)
    return context.with_continuation(Continuation(reference, found, is_other_clients))


async def _with_referenced_items(
    context: RequestContext, stored: StoredResponses
) -> RequestContext:
    """Put items of stored responses into the request, where it names them by their ids."""
    if stored.referenced is None or stored.resolve is None:
        return context
    if stored.item_mark not in context.outline.body:
        return context
    responses = client_responses(context)
    names = await context.compute(stored.referenced, context.outline.body)
    await responses.fetch(names)
    found = {name: responses.get(name) for name in names}
    known = {name: entry for name, entry in found.items() if isinstance(entry, bytes)}
    if not known:
        return context
    size = sum(map(len, known.values()))
    body = await context.compute_with(size, stored.resolve, context.call.body, known)
    return context.with_history(body)


def origin_credential(context: RequestContext, origin: ResponseOrigin) -> Credential | None:
    """Return the credential that a response was made with, if it may still be used."""
    known = context.snapshot.credentials
    if origin.upstream not in known.upstreams:
        return None
    credentials = known.credentials(origin.upstream)
    return next((c for c in credentials if c.id == origin.credential), None)


def store_response(context: RequestContext, response: bytes) -> None:
    """Store a response (its whole JSON object), so that a later request can continue it.

    It is not stored if an upstream holds what was before it.
    """
    stored = context.traits.stored_responses
    if stored is None or context.continuation is not None:
        return
    if stored.wants_store(context.outline):
        items = stored.items_to_store(context.call.body, response)
        client_responses(context).put(_IDENTITY.decode(response).id, items)


def remember_origin(
    context: RequestContext, option: RoutingOption, credential: Credential, tap: ITap
) -> None:
    """Store the origin of a response that is passed through, once its id is known."""
    stored = context.traits.stored_responses
    naming = None if stored is None else IResponseIdTap(tap, None)
    if stored is not None and naming is not None and stored.wants_store(context.outline):
        origin = ResponseOrigin(option.upstream.name, credential.id, option.target.model)
        naming.on_response_id(partial(client_responses(context).put_origin, origin=origin))
