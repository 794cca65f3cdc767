"""Other models in the place of one that cannot be had now, as the operator has configured.

All that happens before the first byte: an answer that has begun is never taken back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from antigravity.exchange.attempts.retry import is_model_unavailable
from antigravity.exchange.context import FallbackOn, RequestContext
from antigravity.interfaces.exchange import Reply
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.routing.fallbacks import fallbacks_for
from antigravity.routing.router import Decision

log = make_logger()

Answer = Callable[[RequestContext, Decision], Awaitable[Reply]]


async def with_fallback_models(
    context: RequestContext, decision: Decision, answer: Answer
) -> Reply:
    """Return the answer of the model that was asked for, or of the first that can stand in.

    If none can, the one that can be had soonest is waited for, as without others.

    :raises GatewayError: if there is no answer: the error that passes soonest.
    """
    others = await _others(context, decision)
    if not others:
        return await answer(context, decision)
    failures: list[tuple[Decision, GatewayError]] = []
    for one in (decision, *others):
        _turn_to(context, decision, one, "any" if failures else "capacity")
        try:
            return await answer(context, one)
        except GatewayError as error:
            if not failures and not is_model_unavailable(error):
                raise
            failures.append((one, error))
            log.info(
                "{id}: {model} cannot be had now: {error}",
                id=context.call.request_id,
                model=one.model,
                error=error,
            )
    soonest, why = min(failures, key=lambda failure: _passes_in(failure[1]))
    if _passes_in(why) > context.snapshot.settings.proxy.scheduling.max_wait_seconds:
        raise why
    _turn_to(context, decision, soonest, "")
    return await answer(context, soonest)


def _turn_to(
    context: RequestContext, asked: Decision, one: Decision, fallback_on: FallbackOn
) -> None:
    """Go on with one of the models, and note it if it is not the one that was asked for."""
    context.fallback_on = fallback_on
    context.notes = ()
    if one is not asked:
        detail = f"{asked.asked} cannot be had now; {one.model} serves in its place"
        context.notes = (Loss("model", detail),)
    context.recorder.record.losses = context.notes


def _passes_in(error: GatewayError) -> float:
    """Return after how many seconds a model may be had again."""
    known = is_model_unavailable(error) and error.retry_after is not None
    return error.retry_after or 0.0 if known else float("inf")


async def _others(context: RequestContext, decision: Decision) -> list[Decision]:
    """Return who can serve the models that stand in, without those that are the same."""
    table = context.snapshot.settings.routing.fallback_models
    names = fallbacks_for(table, decision.asked, decision.model) if table else ()
    seen = [set(decision.options)]
    found: list[Decision] = []
    for name in names:
        other = await context.snapshot.router.route_other(
            decision.asked, name, context.protocol.name
        )
        if other is None:
            log.warn("nobody serves {name}, a fallback model", name=name)
        elif set(other.options) not in seen:
            seen.append(set(other.options))
            found.append(_changed(other) if context.recorder.record.intercepted else other)
    return found


def _changed(decision: Decision) -> Decision:
    """Return the decision for a request that is not what the body says any more."""
    candidates = tuple(replace(candidate, native=False) for candidate in decision.candidates)
    return replace(decision, candidates=candidates)
