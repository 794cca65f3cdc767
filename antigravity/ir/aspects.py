"""The aspects in which two models differ, so that a request for one may not suit the other."""

from __future__ import annotations

from typing import Final, Literal

from antigravity.ir.capabilities import Capabilities

#: An aspect of a request.  ``dialect`` stands for fields that only one model family accepts.
Aspect = Literal[
    "thinking",
    "sampling",
    "stop",
    "logprobs",
    "choices",
    "limit",
    "media",
    "modalities",
    "tools",
    "schema",
    "search",
    "prefill",
    "dialect",
]
Aspects = frozenset[Aspect]

NONE: Final[Aspects] = frozenset()
_UNKNOWN: Final = Capabilities()


def differences(requested: Capabilities, served: Capabilities) -> Aspects:
    """Return the aspects in which ``served`` cannot replace ``requested`` without translation.

    If the capabilities of ``served`` are unknown, there are none.
    """
    if requested == served or served == _UNKNOWN:
        return NONE
    aspects: dict[Aspect, bool] = {
        "thinking": _thinking_settings(requested) != _thinking_settings(served),
        "sampling": _lacks_sampling(requested, served),
        "stop": requested.stop_sequences and not served.stop_sequences,
        "logprobs": requested.logprobs and not served.logprobs,
        "choices": served.max_choices < requested.max_choices,
        "limit": _is_lower(served.max_output_tokens, requested.max_output_tokens),
        "media": _lacks_media(requested, served),
        "modalities": not set(requested.outputs) <= set(served.outputs),
        "tools": _lacks(requested, served, "tools", "forced_tools")
        or served.tools_protocol not in ("", requested.tools_protocol),
        "schema": _lacks(
            requested, served, "structured_output", "structured_output_with_tools", "raw_schema"
        ),
        "search": _lacks(requested, served, "web_search", "web_search_with_tools"),
        "prefill": requested.prefill and not served.prefill,
        "dialect": requested.family != served.family,
    }
    return frozenset(aspect for aspect, differs in aspects.items() if differs)


def _thinking_settings(model: Capabilities) -> tuple[object, ...]:
    """Return the capabilities that determine the thinking settings of a model."""
    if model.thinking == "none":
        return ("none",)
    off = (model.thinking_off, model.efforts_off)
    budgets = (model.min_budget, model.max_budget, model.smallest_budget)
    return (model.thinking, model.efforts, *budgets, *off)


def _is_lower(served: int | None, requested: int | None) -> bool:
    return served is not None and (requested is None or served < requested)


def _lacks(requested: Capabilities, served: Capabilities, *names: str) -> bool:
    """Return whether ``requested`` has one of the capabilities and ``served`` does not."""
    return any(getattr(requested, name) and not getattr(served, name) for name in names)


def _lacks_sampling(requested: Capabilities, served: Capabilities) -> bool:
    names = ("sampling", "sampling_without_thinking", "sampling_together", "penalties")
    return (
        _lacks(requested, served, *names) or served.thinks_by_default > requested.thinks_by_default
    )


def _lacks_media(requested: Capabilities, served: Capabilities) -> bool:
    if not served.inputs:
        return any(requested.reads(kind) for kind in served.refused_inputs)
    in_results = requested.media_in_tool_results and not served.media_in_tool_results
    return in_results or not all(served.reads(kind) for kind in requested.inputs)
