"""Checks whether a target can return the requested kinds of output."""

from __future__ import annotations

from antigravity.ir.capabilities import Capabilities, Traits
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request


def check_outputs(request: Request, traits: Traits, capabilities: Capabilities, model: str) -> None:
    """Check that the target can return at least one of the requested kinds of output.

    Text instead of a requested image or speech would be useless to the client.

    :raises InvalidRequestError: if it can return none.
    """
    requested = request.modalities
    if not requested or not traits.outputs.isdisjoint(requested):
        return
    raise InvalidRequestError(
        f"{model} cannot return {' and '.join(requested)}: the protocol of its upstream only "
        f"supports {', '.join(sorted(traits.outputs))}. Choose a model of another upstream.",
        param="modalities",
        code="model_not_supported",
    )
