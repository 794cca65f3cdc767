"""Calibrated estimates of input tokens, and what usage teaches them."""

from __future__ import annotations

from functools import partial

from antigravity.context.estimate import estimate_tokens
from antigravity.exchange.context import RequestContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage


def estimate_input_tokens(context: RequestContext, model: str, request: Request) -> int:
    """Return the estimated number of input tokens of a request to an upstream's model."""
    return context.services.calibration.applied(model, estimate_tokens(request))


def learn_from_usage(
    context: RequestContext, model: str, usage: Usage | None, request: Request | None
) -> None:
    """Calibrate the estimates with the usage that an upstream reported for a request, if it did."""
    if usage is None or request is None:
        return
    observe = context.services.calibration.observe
    if not context.is_large:
        observe(model, usage, partial(estimate_tokens, request))
        return
    learnt = usage
    size = len(context.call.body)
    estimating = context.services.background.run(size, estimate_tokens, request)
    estimating.addCallback(lambda estimate: observe(model, learnt, lambda: estimate))
    estimating.addErrback(lambda failure: failure.trap(GatewayError))  # too busy to learn
