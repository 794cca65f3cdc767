"""Serve a request for several choices: by one upstream request, or by several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.fan_out import fan_out
from antigravity.exchange.fanout.strategies import (
    CHOICE_STRATEGY,
    IMAGE_STRATEGY,
    split_request,
)
from antigravity.exchange.plan import Plan
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.server_traits import RequestedChoices
from antigravity.ir.request import Request
from antigravity.routing.decision import Candidate

#: The limit of candidates that get the client's body as it is: the upstream checks it.
_NO_LIMIT: Final = 2**31


async def serve_choices(context: RequestContext, plan: Plan) -> Reply:
    """Return the reply to one request, merged if the first candidate cannot give all choices.

    :raises GatewayError: if it failed before it began.
    """
    traits, candidates = context.traits, plan.candidates
    required = traits.required_modalities
    is_image = required is not None and required.output == "image"
    if is_image:
        if all(candidate.native for candidate in candidates):
            return await AttemptLoop(context, plan).run()
        await context.decode()
        requested = RequestedChoices(context.request.sampling.n)
    elif traits.requested_choices is not None:
        requested = traits.requested_choices(context.call)
    else:
        return await AttemptLoop(context, plan).run()
    able = tuple(each for each in candidates if gives_all(each, requested))
    if len(able) == len(candidates):
        return await AttemptLoop(context, plan).run()
    if able and able[0] is candidates[0]:  # several requests to the others would cost more
        return await AttemptLoop(context, plan.with_candidates(able)).run()
    await context.decode()
    prompts: Sequence[Request] = (context.request,)
    if traits.split_prompts is not None:
        prompts = await context.compute(traits.split_prompts, context.call, context.request)
    strategy = IMAGE_STRATEGY if is_image else CHOICE_STRATEGY
    translated = tuple(c for c in candidates if not c.client.traits.native_only)
    parts = split_request(prompts, min(map(choices_limit, translated)))
    return await fan_out(context, plan.with_candidates(translated), parts, strategy)


def gives_all(candidate: Candidate, requested: RequestedChoices) -> bool:
    """Return whether one response of a candidate can have all requested choices."""
    limit = choices_limit(candidate)
    return requested.each <= limit and (requested.prompts == 1 or limit == _NO_LIMIT)


def choices_limit(candidate: Candidate) -> int:
    """Return how many choices to one prompt a candidate gives in one response."""
    limit: int = candidate.target.capabilities.max_choices
    if not candidate.native:
        client_limit: int = candidate.client.traits.max_choices
        return min(limit, client_limit)
    if candidate.client.traits.native_only:
        return _NO_LIMIT
    is_known = limit == 1 or "choices" in candidate.differing
    return limit if is_known else _NO_LIMIT
