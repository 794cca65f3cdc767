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
    wanted = request.modalities
    if not wanted or not traits.outputs.isdisjoint(wanted):
        return
    raise InvalidRequestError(
        f"{model} cannot return {' and '.join(wanted)}: the protocol of its upstream carries "
        f"{', '.join(sorted(traits.outputs))} only. Choose a model of another upstream.",
        param="modalities",
        code="model_not_supported",
    )
