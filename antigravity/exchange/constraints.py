"""Keep the options of a plan that can do what a request demands."""

from __future__ import annotations

from typing import Final

from antigravity.exchange.context import Continuation, RequestContext
from antigravity.exchange.operations.stored_responses import ACCOUNT_GONE, origin_credential
from antigravity.exchange.plan import Plan
from antigravity.interfaces.server_traits import RequiredModalities
from antigravity.ir.capabilities import Capabilities
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.routing.decision import RoutingOption

#: Models that an error names at the most.
_MAX_NAMED: Final = 12


async def require_modalities(
    context: RequestContext, plan: Plan, required: RequiredModalities
) -> Plan:
    """Keep the options that can do what the client's protocol is for.

    An upstream that speaks this very protocol knows best which of its models can.

    :raises InvalidRequestError: if none is left, naming models that can.
    """
    remaining = tuple(each for each in plan.options if each.native or _can_serve(each, required))
    if remaining:
        return plan.with_options(remaining)
    what = "does not accept" if required.input else "does not produce"
    what += f" {required.input or required.output}"
    if any(_has_modalities(each.target.capabilities, required) for each in plan.options):
        what += " in the protocol of the upstream that serves it"
    models = await context.snapshot.router.models()
    requested = plan.decision.requested  # which a list may have, but none of its upstreams serves
    able = [
        model.id
        for model in models
        if _has_modalities(model.capabilities, required) and model.id != requested
    ]
    listed = f" These models do: {', '.join(able[:_MAX_NAMED])}." if able else ""
    raise InvalidRequestError(
        f"The model {plan.decision.requested!r} {what}.{listed}",
        param="model",
        code="model_not_supported",
    )


def _has_modalities(capabilities: Capabilities, required: RequiredModalities) -> bool:
    """Return whether a model accepts and produces what is required."""
    accepts = not required.input or required.input in capabilities.inputs
    return accepts and (not required.output or required.output in capabilities.outputs)


def _can_serve(option: RoutingOption, required: RequiredModalities) -> bool:
    """Return whether a model can do what is required, in a protocol of conversations."""
    traits, capabilities = option.client.traits, option.target.capabilities
    if capabilities.own_endpoint or not _has_modalities(capabilities, required):
        return False
    accepts = not required.input or required.input in traits.media
    return accepts and (not required.output or required.output in traits.outputs)


def native_only_error(context: RequestContext) -> GatewayError | None:
    """Return why only an upstream of the client's protocol can serve a request, if that is so."""
    find_error = context.traits.native_only_error
    return None if find_error is None else find_error(context.call)


def native_only(context: RequestContext, plan: Plan) -> Plan:
    """Keep the options of the client's protocol, for a request that cannot be translated.

    :raises InvalidRequestError: if none is left.
    """
    remaining = tuple(option for option in plan.options if option.native)
    if len(remaining) == len(plan.options):
        return plan
    error = native_only_error(context)
    if error is None:
        return plan
    if not remaining:
        raise error
    return plan.with_options(remaining)


def require_origin(context: RequestContext, plan: Plan, continuation: Continuation) -> Plan:
    """Keep the options that can look up the response which a request continues.

    :raises NotFoundError: if none is left.
    """
    origin = continuation.origin
    stored = context.traits.stored_responses
    remaining = tuple(option for option in plan.options if option.native)
    problem = "was not found, or has expired."
    if origin is not None:
        remaining = tuple(each for each in remaining if each.upstream.name == origin.upstream)
        problem = "is stored by another upstream."
        if origin_credential(context, origin) is None:
            remaining, problem = (), ACCOUNT_GONE
    elif continuation.is_other_clients or (stored is not None and stored.only_known):
        remaining = ()  # upstreams do not tell our clients apart
    if not remaining:
        raise missing_response(context, continuation, problem)
    return plan.with_options(remaining)


def missing_response(
    context: RequestContext, continuation: Continuation, problem: str
) -> NotFoundError:
    """Return the error for a response that cannot be continued; ``problem`` says why."""
    stored = context.traits.stored_responses
    assert stored is not None  # otherwise there would be no continuation
    field = stored.reference
    what = field.rpartition(".")[2].removeprefix("previous_").removesuffix("_id")
    return NotFoundError(
        f"The {what} {continuation.reference!r} {problem} Send the whole conversation as input.",
        param=field,
        code=stored.missing_code,
    )
