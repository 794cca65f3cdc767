"""Omits the parameters that an upstream has refused for a model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.request import Request

_SAMPLING: Final = (
    "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "logprobs",
    "top_logprobs",
)  # fmt: skip
_LIMITS: Final = frozenset(("max_tokens", "max_completion_tokens"))
_FIELDS: Final = ("user", "prompt_cache_key", "service_tier", "verbosity", "parallel_tool_calls")
#: Parameters that do not affect the response; they are omitted without a warning.
_HINTS: Final = frozenset(
    ("stream_options", "user", "prompt_cache_key", "safety_identifier", "store")
)


def refusing_target(target: Target, names: Collection[str]) -> Target:
    """Return the target with the quirks of an upstream that refuses some parameters.

    The limit of the output is never omitted: it gets its other name.
    """
    others = set(names) - _LIMITS
    quirks = (target.quirks - others) | {f"no_{name}" for name in others}
    limits = _LIMITS.intersection(names)
    if limits == {"max_tokens"}:
        quirks = (quirks - {"max_tokens", "no_max_completion_tokens"}) | {"max_completion_tokens"}
    elif limits == {"max_completion_tokens"}:
        quirks = (quirks - {"max_completion_tokens"}) | {"no_max_completion_tokens"}
    return replace(target, quirks=quirks)


def omit_parameters(
    request: Request, names: Collection[str], upstream: str
) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request without the parameters that ``upstream`` refuses, and the losses.

    The encoders omit others by the quirks of :func:`refusing_target`.
    """
    sampling: dict[str, Any] = {
        name: None
        for name in _SAMPLING
        if name in names and getattr(request.sampling, name) is not None
    }
    changes: dict[str, Any] = {
        name: None for name in _FIELDS if name in names and getattr(request, name) is not None
    }
    lost = [*(f"sampling.{name}" for name in sampling), *changes]
    if sampling:
        changes["sampling"] = replace(request.sampling, **sampling)
    thinking = request.thinking
    if "reasoning_effort" in names and thinking.effort is not None:
        lost.append("thinking.effort")
        thinking = replace(thinking, effort=None)
    if "thinking_budget" in names and thinking.budget is not None:
        lost.append("thinking.budget")
        thinking = replace(thinking, budget=None)
    if "metadata" in names and request.metadata:
        lost.append("metadata")
        changes["metadata"] = {}
    extensions = {name: value for name, value in request.extensions.items() if name not in names}
    if len(extensions) < len(request.extensions):
        lost += sorted(request.extensions.keys() - extensions.keys())
        changes["extensions"] = extensions
    if thinking is not request.thinking:
        changes["thinking"] = thinking
    losses = tuple(
        Loss(name, f"dropped: {upstream} refuses it for this model")
        for name in lost
        if name not in _HINTS
    )
    return (replace(request, **changes) if changes else request), losses
