"""Keep those candidates that can do the special thing which a protocol is for."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from antigravity.exchange.context import RequestContext
from antigravity.interfaces.server_traits import RequiredModalities
from antigravity.ir.capabilities import Capabilities, Traits
from antigravity.ir.errors import InvalidRequestError
from antigravity.routing.router import Decision

#: So many models are named that could do it.
_NAMED: Final = 12


def is_able(capabilities: Capabilities, demands: RequiredModalities) -> bool:
    """Return whether a model can do what is demanded."""
    takes = not demands.input or demands.input in capabilities.inputs
    return takes and (not demands.output or demands.output in capabilities.outputs)


def _has_form(traits: Traits, capabilities: Capabilities, demands: RequiredModalities) -> bool:
    """Return whether a protocol of conversations can carry what is demanded of a model."""
    if capabilities.own_endpoint:
        return False
    takes = not demands.input or demands.input in traits.media
    return takes and (not demands.output or demands.output in traits.outputs)


async def require_modalities(context: RequestContext, decision: Decision) -> Decision:
    """Return the decision without the candidates that can't do what the client's protocol needs.

    An upstream that speaks that very protocol knows best which of its models can.

    :raises InvalidRequestError: if none is left, naming models that can.
    """
    demands = context.traits.required_modalities
    if demands is None:
        return decision
    left = tuple(
        candidate
        for candidate in decision.candidates
        if candidate.native
        or (
            _has_form(candidate.client.traits, candidate.target.capabilities, demands)
            and is_able(candidate.target.capabilities, demands)
        )
    )
    if left:
        return replace(decision, candidates=left)
    what = f"takes no {demands.input}" if demands.input else f"gives no {demands.output}"
    if any(is_able(each.target.capabilities, demands) for each in decision.candidates):
        what += " in the protocol of the upstream that serves it"
    models = await context.snapshot.router.models()
    able = [model.id for model in models if is_able(model.capabilities, demands)]
    listed = f" Of the models here these can: {', '.join(able[:_NAMED])}." if able else ""
    raise InvalidRequestError(
        f"The model {decision.asked!r} {what}, as far as is known here.{listed}",
        param="model",
        code="model_not_supported",
    )
