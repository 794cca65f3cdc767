"""The life of one request for a response, from its first stage to its last."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.constraints import (
    missing_response,
    native_only,
    require_modalities,
    require_origin,
)
from antigravity.exchange.context import Continuation, RequestContext
from antigravity.exchange.fallback import with_fallback_models
from antigravity.exchange.fanout.fan_out import fan_out
from antigravity.exchange.fanout.requested_choices import split_choices
from antigravity.exchange.fanout.strategies import CHOICE_STRATEGY, IMAGE_STRATEGY
from antigravity.exchange.interception import (
    concerns,
    intercept_warmup,
    reroute_background_task,
)
from antigravity.exchange.key_admission import restrict
from antigravity.exchange.operations.compaction import serve_compaction
from antigravity.exchange.operations.prewarm import serve_prewarm
from antigravity.exchange.operations.stored_responses import expand_history
from antigravity.exchange.plan import Plan
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import GatewayError
from antigravity.routing.decision import RoutingDecision


async def generate(context: RequestContext) -> Reply:
    """Return the reply to a request for a response.

    :raises GatewayError: if it failed before it began.
    """
    head, snapshot = context.head, context.snapshot
    context.recorder.begin(head.model, stream=head.stream)
    plan: Plan | None = None
    if context.is_conversation and concerns(context):
        warmed_up = intercept_warmup(context)
        if warmed_up is not None:
            return warmed_up
        context, plan = await reroute_background_task(context)
    if plan is None:
        plan = Plan(await _route(context))
    context = await expand_history(context)
    if context.call.turn is not None and not context.call.turn.generates:
        plan = await restrict(context, plan)
        return await serve_prewarm(context, plan)
    if snapshot.settings.routing.fallback_models:
        return await with_fallback_models(context, plan, serve)
    return await serve(context, plan)


async def _route(context: RequestContext) -> RoutingDecision:
    """Return the decision for the model; that may take lists of models from upstreams.

    :raises GatewayError: if no upstream can serve it.
    """
    router, model, protocol = context.snapshot.router, context.head.model, context.protocol.name
    known = router.known_decision(model, protocol)
    if known is not None:
        return known
    with context.recorder.waiting("upstream"):
        return await router.route(model, protocol)


async def _continue(context: RequestContext, plan: Plan, continuation: Continuation) -> Reply:
    """Return the reply of the only account that can continue a conversation.

    :raises NotFoundError: if that account is not available now: the client then sends the whole
        conversation, and any other account can serve.
    :raises GatewayError: if it failed before it began.
    """
    plan = replace(plan, fallback_on="capacity")
    try:
        return await AttemptLoop(context, plan).run()
    except GatewayError as error:
        if not plan.triggers_fallback(error):
            raise
        raise missing_response(context, continuation, "is not available now.") from error


async def serve(context: RequestContext, plan: Plan) -> Reply:
    """Return the reply of one model.

    :raises GatewayError: if it failed before it began.
    """
    if context.recorder.admission is not None:
        plan = await restrict(context, plan)
    traits, required = context.traits, context.traits.required_modalities
    if required is not None:
        plan = await require_modalities(context, plan, required)
    if traits.native_only_error is not None:
        plan = native_only(context, plan)
    context.recorder.route(plan.decision)
    if context.continuation is not None:
        plan = require_origin(context, plan, context.continuation)
        stored = traits.stored_responses
        if stored is not None and stored.restarts:
            return await _continue(context, plan, context.continuation)
    is_image = required is not None and required.output == "image"
    if is_image or traits.requested_choices is not None:
        plan, parts = await split_choices(context, plan)
        if parts:
            strategy = IMAGE_STRATEGY if is_image else CHOICE_STRATEGY
            return await fan_out(context, plan, parts, strategy)
    if traits.compaction is not None:
        requested = traits.compaction.find(context.outline)
        if requested is not None:
            return await serve_compaction(context, plan, requested)
    return await AttemptLoop(context, plan).run()
