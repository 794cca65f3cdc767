"""Calls about one stored response: it is stored here, or by the upstream that made it."""

from __future__ import annotations

from typing import Final

from antigravity.exchange.attempts.commit_point import begin
from antigravity.exchange.attempts.upstream_call import Refused, first_good
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.response_store import ResponseOrigin
from antigravity.exchange.operations.stored_responses import (
    ACCOUNT_GONE,
    client_responses,
    origin_credential,
)
from antigravity.exchange.response_headers import passed_headers
from antigravity.exchange.streams.bounds import RESPONSE_LIMIT
from antigravity.exchange.streams.raw import RawEventStream, is_events
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.server_traits import Retrieval
from antigravity.interfaces.upstreams import IStoringUpstream
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import NotFoundError
from antigravity.redaction.errors import redact_errors
from antigravity.routing.decision import RoutingOption

_GONE: Final = (404, 410)


async def serve_stored(context: RequestContext) -> Reply:
    """Return the reply to a call about one stored response.

    :raises NotFoundError: if the response is not found, or its account is gone.
    :raises GatewayError: if the call cannot be served.
    """
    stored = context.traits.stored_responses
    retrieval = None if stored is None else stored.retrieval
    if retrieval is None:
        raise NotFoundError(f"The protocol {context.protocol.name} stores no responses.")
    call, responses = context.call, client_responses(context)
    response_id = call.arguments["id"]
    await responses.fetch((response_id,))
    found = responses.get(response_id)
    if found is None:
        raise retrieval.not_found(call)
    if isinstance(found, ResponseOrigin):
        return await _forward(context, found, retrieval)
    context.recorder.begin("", stream=False)
    reply = retrieval.encode(call, found)
    if call.route.method == "DELETE":
        responses.delete(response_id)
    return Reply.whole(reply)


async def _forward(context: RequestContext, origin: ResponseOrigin, retrieval: Retrieval) -> Reply:
    """Return the reply of the upstream, for the account that made the response."""
    call, snapshot = context.call, context.snapshot
    credential = origin_credential(context, origin)
    found = next((u for u in snapshot.router.upstreams if u.name == origin.upstream), None)
    upstream = IStoringUpstream(found, None)
    if credential is None or upstream is None:
        raise _account_gone(call, retrieval)
    client = snapshot.clients[context.protocol.name]
    context.recorder.begin(origin.model, stream=False)
    option = RoutingOption(upstream, client, Target(origin.model), True)
    context.recorder.attempt(option, credential, passed=True)
    requests = upstream.stored_requests(call, credential)
    try:
        with context.recorder.waiting("upstream"):
            response = await first_good(
                context.services.transport, upstream, client, credential, requests
            )
    except Refused as refused:
        if refused.error.upstream_status in _GONE:
            client_responses(context).delete(call.arguments["id"])
        reply = refused.as_reply(snapshot.settings.proxy.scheduling.max_lock_seconds)
        if reply is None:
            raise refused.error from None
        context.recorder.end(refused.error, None)
        return reply
    headers = response.headers()
    content_type = headers.get("content-type", "application/json")
    if is_events(content_type):
        pump = await begin(
            context, RawEventStream(), response, lambda error: None, abort_on_error=True
        )
        return Reply(response.status(), content_type, passed_headers(headers), stream=pump)
    with context.recorder.waiting("upstream"):
        body = redact_errors(await response.collect(RESPONSE_LIMIT))
    if call.route.method == "DELETE":
        client_responses(context).delete(call.arguments["id"])
    context.recorder.first_byte()
    context.recorder.end(None, None)
    return Reply(response.status(), content_type, passed_headers(headers), body)


def _account_gone(call: Call, retrieval: Retrieval) -> NotFoundError:
    """Return the error for a response whose account or upstream was removed."""
    missing = retrieval.not_found(call)
    what = (missing.code or "").removesuffix("_not_found")
    message = f"The {what} {call.arguments['id']!r} {ACCOUNT_GONE}"
    return NotFoundError(message, param=missing.param, code=missing.code)
