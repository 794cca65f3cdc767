"""Kinds of output that a target cannot give."""

from __future__ import annotations

from antigravity.ir.capabilities import Capabilities, Traits
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request


def check_outputs(request: Request, traits: Traits, capabilities: Capabilities, model: str) -> None:
    """Look whether the target can give at least one of the kinds that are asked for.

    Text instead of the image or the speech that was asked for would be no answer.

    :raises InvalidRequestError: if it can give none.
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
