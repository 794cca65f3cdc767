"""Token counts: by the upstream where it can count, otherwise an estimate."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.exchange.attempts.pass_through import can_pass_through
from antigravity.exchange.attempts.translated import with_betas
from antigravity.exchange.attempts.upstream_call import Refused, UpstreamCall
from antigravity.exchange.constraints import native_only, native_only_error, require_origin
from antigravity.exchange.context import RequestContext
from antigravity.exchange.function_forms import to_functions
from antigravity.exchange.key_admission import allowed
from antigravity.exchange.operations.stored_responses import (
    expand_history,
    origin_credential,
)
from antigravity.exchange.plan import Plan
from antigravity.exchange.response_headers import COUNT_SOURCE
from antigravity.exchange.token_estimate import estimate_input_tokens
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import EncodedRequest, IClientProtocol
from antigravity.ir.call import TokenCount
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.request import Request
from antigravity.logs import make_logger
from antigravity.lowering.instructions import without_attribution
from antigravity.lowering.pipeline import lower
from antigravity.redaction.errors import redact_errors
from antigravity.routing.decision import RoutingOption

log = make_logger()

#: Bytes of an upstream's response, which has a few numbers.
COUNT_LIMIT = 64 * 1024


#: The header of a reply that says who has counted.
_SOURCES: Final = {name: ((COUNT_SOURCE, name),) for name in ("upstream", "estimate")}


class UpstreamCount(Struct, frozen=True):
    """The number of input tokens, and the upstream's response that says so."""

    input_tokens: int
    body: bytes


async def serve_count(context: RequestContext) -> Reply:
    """Return the reply to a request for a count of tokens.

    :raises GatewayError: if nothing can count them.
    """
    head = context.head
    context.recorder.begin(head.model, stream=False)
    decision = await context.snapshot.router.route(head.model, context.protocol.name)
    plan = native_only(context, allowed(context, Plan(decision)))
    context = await expand_history(context)
    if context.continuation is not None:
        plan = require_origin(context, plan, context.continuation)
    context.recorder.route(plan.decision)
    reply = await count_tokens(context, plan)
    context.recorder.end(None, None)  # unless the reply is the upstream's refusal
    return reply


async def count_tokens(context: RequestContext, plan: Plan) -> Reply:
    """Return the reply with the number of input tokens, never 0.

    Only the upstream counts a request that cannot be decoded, because it refers to data which only
    the upstream has, or uses what only the upstream knows.

    :raises InvalidRequestError: if the request is not valid.
    :raises GatewayError: if only the upstream can count, and failed.
    """
    option, protocol, call = plan.options[0], context.protocol, context.call
    only_upstream: GatewayError | None = native_only_error(context)
    passes = await context.compute(can_pass_through, context, option, "count_tokens")
    if only_upstream is None:
        try:
            await context.decode()
            _ = context.request  # decoding validates the request
        except InvalidRequestError as error:
            if not passes:
                raise
            only_upstream = error
    failure: GatewayError | None = None
    refusal: Reply | None = None
    try:
        counted = await _ask(context, option, passes=passes)
        if counted is not None and counted.input_tokens > 0:
            if passes:
                return Reply(200, "application/json", _SOURCES["upstream"], counted.body)
            count = TokenCount(counted.input_tokens, "upstream")
            return Reply.whole(protocol.encode_count(count, call), _SOURCES["upstream"])
    except Refused as refused:
        failure = refused.error
        longest = context.snapshot.settings.proxy.scheduling.max_lock_seconds
        refusal = refused.as_reply(longest) if passes else None
    except GatewayError as error:
        failure = error
    if failure is not None:
        context.recorder.failed(failure)
        log.info("{name} could not count tokens: {error}", name=option.upstream.name, error=failure)
    if only_upstream is not None:
        if refusal is not None and failure is not None:
            context.recorder.end(failure, None)
            return refusal
        raise failure or only_upstream
    request = context.request
    if not option.client.traits.attribution:
        request = await context.compute(without_attribution, request)
    model = option.target.model
    estimate = await context.compute(estimate_input_tokens, context, model, request)
    return Reply.whole(protocol.encode_count(TokenCount(estimate), call), _SOURCES["estimate"])


def _translate(request: Request, client: IClientProtocol, target: Target) -> EncodedRequest | None:
    lowered = lower(request, client.traits, target, client.name)
    encoded: EncodedRequest | None = client.encode_count(lowered.request, target)
    return encoded


async def _ask(
    context: RequestContext, option: RoutingOption, *, passes: bool
) -> UpstreamCount | None:
    """Return the upstream's count, or ``None`` if it cannot count."""
    client, target = option.client, option.target
    if context.origin is not None:
        credential = origin_credential(context, context.origin)
    else:
        credential = context.snapshot.credentials.next_credential(option.upstream.name, frozenset())
    if credential is None:
        return None
    headers = context.call.headers if option.native else {}
    if passes:
        body = await context.compute(context.with_model, target.model)
    else:
        forms = await context.compute(
            to_functions, context.request, client.name, context.traits.as_functions
        )
        request = await context.fetch_media(forms.request, client.traits)
        encoded = await context.compute(_translate, request, client, target)
        if encoded is None:
            return None
        body = encoded.body
        headers = with_betas(headers, encoded)
    call = UpstreamCall(option, credential, "count_tokens", body, headers)
    context.recorder.attempt(option, credential, passed=passes)
    response = await call.send(context.services.transport, context.recorder)
    with context.recorder.waiting("upstream"):
        counted = await response.collect(COUNT_LIMIT)
    counted = option.upstream.unwrap(counted)
    return UpstreamCount(int(client.decode_count(counted)), redact_errors(counted))
