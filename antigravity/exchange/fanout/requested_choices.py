"""Decide whether a request for several choices needs several upstream requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.strategies import Part, split_request
from antigravity.exchange.plan import Plan
from antigravity.interfaces.server_traits import RequestedChoices
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request
from antigravity.routing.decision import RoutingOption

#: The limit of options that get the client's body as it is: the upstream checks it.
_NO_LIMIT: Final = 2**31


async def split_choices(context: RequestContext, plan: Plan) -> tuple[Plan, tuple[Part, ...]]:
    """Return the plan for a request for several choices, and the requests that serve it.

    There are no parts if one upstream request can serve it as a whole.

    :raises GatewayError: if the request, which may have to be decoded, is not valid.
    """
    traits, options = context.traits, plan.decision.options
    if all(choices_limit(option) == _NO_LIMIT for option in options):
        return plan, ()
    if traits.requested_choices is not None:
        requested = traits.requested_choices(context.outline)
    elif all(option.native for option in options):
        return plan, ()
    else:
        try:
            await context.decode()
            requested = RequestedChoices(context.request.sampling.n)
        except InvalidRequestError:
            native = tuple(option for option in options if option.native)
            if not native:
                raise
            return plan.with_options(native), ()  # the upstream says what is wrong
    able = tuple([each for each in options if gives_all(each, requested)])
    if len(able) == len(options):
        return plan, ()
    if able and able[0] is options[0]:  # several requests to the others would cost more
        return plan.with_options(able), ()
    await context.decode()
    prompts: Sequence[Request] = (context.request,)
    if traits.split_prompts is not None:
        prompts = await context.compute(traits.split_prompts, context.call, context.request)
    translated = tuple(c for c in options if not c.client.traits.native_only)
    parts = split_request(prompts, min(map(choices_limit, translated)))
    return plan.with_options(translated), parts


def gives_all(option: RoutingOption, requested: RequestedChoices) -> bool:
    """Return whether one response of an option can have all requested choices."""
    limit = choices_limit(option)
    return requested.each <= limit and (requested.prompts == 1 or limit == _NO_LIMIT)


def choices_limit(option: RoutingOption) -> int:
    """Return how many choices to one prompt an option gives in one response."""
    limit: int = option.target.capabilities.max_choices
    if not option.native:
        client_limit: int = option.client.traits.max_choices
        return min(limit, client_limit)
    if option.client.traits.native_only:
        return _NO_LIMIT
    is_known = limit == 1 or "choices" in option.differing
    return limit if is_known else _NO_LIMIT
