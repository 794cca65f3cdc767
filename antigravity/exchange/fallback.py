"""Other models in the place of one that is not available, as the operator has configured.

All that happens before the first byte: a response that has begun cannot be replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antigravity.exchange.attempts.retry import is_model_unavailable
from antigravity.exchange.context import RequestContext
from antigravity.exchange.plan import FallbackOn, Plan, translated
from antigravity.exchange.response_headers import REPLAY
from antigravity.interfaces.exchange import Reply
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.routing.decision import RoutingDecision
from antigravity.routing.fallbacks import fallbacks_for

log = make_logger()

Serve = Callable[[RequestContext, Plan], Awaitable[Reply]]


async def with_fallback_models(context: RequestContext, plan: Plan, serve: Serve) -> Reply:
    """Return the reply of the requested model, or of the first fallback model that can serve.

    If none can, the one that is available soonest is waited for, as without fallback models.

    :raises GatewayError: if none can: the error that passes soonest.
    """
    requested = plan.decision
    fallbacks = await _fallbacks(context, requested)
    if not fallbacks:
        return await serve(context, plan)
    failures: list[tuple[RoutingDecision, GatewayError]] = []
    for decision in (requested, *fallbacks):
        try:
            attempt = _plan_for(context, requested, decision, "any" if failures else "capacity")
            return await serve(context, attempt)
        except GatewayError as error:
            if not failures and not is_model_unavailable(error):
                raise
            failures.append((decision, error))
            log.info(
                "{id}: {model} is not available now: {error}",
                id=context.call.request_id,
                model=decision.model,
                error=error,
            )
    soonest, why = min(failures, key=lambda failure: _retry_in(failure[1]))
    if _retry_in(why) > context.snapshot.settings.proxy.scheduling.max_wait_seconds:
        raise why
    return await serve(context, _plan_for(context, requested, soonest, ""))


def _plan_for(
    context: RequestContext,
    requested: RoutingDecision,
    decision: RoutingDecision,
    fallback_on: FallbackOn,
) -> Plan:
    """Return the plan for one of the models; a fallback model is reported."""
    losses: tuple[Loss, ...] = ()
    if decision is not requested:
        detail = f"{requested.requested} is not available now; {decision.model} serves in its place"
        losses = (Loss("model", detail),)
    context.recorder.warn(losses)
    return Plan(decision, fallback_on, losses)


def _retry_in(error: GatewayError) -> float:
    """Return after how many seconds a model may be available again."""
    if not is_model_unavailable(error) or error.retry_after is None:
        return float("inf")
    return error.retry_after


async def _fallbacks(context: RequestContext, requested: RoutingDecision) -> list[RoutingDecision]:
    """Return the decisions for the fallback models, each way to serve once."""
    table = context.snapshot.settings.routing.fallback_models
    seen = [set(requested.by_upstream_model)]
    found: list[RoutingDecision] = []
    for name in fallbacks_for(table, requested.requested, requested.model):
        decision = await context.snapshot.router.route_fallback(
            requested.requested, name, context.protocol.name
        )
        if decision is None:
            log.warn("no upstream serves {name}, a fallback model", name=name)
        elif set(decision.by_upstream_model) not in seen:
            seen.append(set(decision.by_upstream_model))
            label = context.recorder.record.intercepted
            is_reduced = label is not None and not label.startswith(REPLAY)
            found.append(translated(decision) if is_reduced else decision)
    return found
