"""The aspects in which a request for one model may not suit another."""

from __future__ import annotations

from typing import Final, Literal

from antigravity.ir.capabilities import Capabilities

#: What a request may use.  ``dialect`` are fields that only models of one family accept.
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


def differences(asked: Capabilities, served: Capabilities) -> Aspects:
    """Return the aspects in which ``served`` cannot replace ``asked`` without translation.

    For an unknown model there are none.
    """
    if asked == served or served == _UNKNOWN:
        return NONE
    found: dict[Aspect, bool] = {
        "thinking": _thinks(asked) != _thinks(served),
        "sampling": _lacks_sampling(asked, served),
        "stop": asked.stop_sequences and not served.stop_sequences,
        "logprobs": asked.logprobs and not served.logprobs,
        "choices": served.max_choices < asked.max_choices,
        "limit": _less(served.max_output_tokens, asked.max_output_tokens),
        "media": _lacks_media(asked, served),
        "modalities": not set(asked.outputs) <= set(served.outputs),
        "tools": _lacks(asked, served, "tools", "forced_tools")
        or served.tools_protocol not in ("", asked.tools_protocol),
        "schema": _lacks(
            asked, served, "structured_output", "structured_output_with_tools", "raw_schema"
        ),
        "search": _lacks(asked, served, "web_search", "web_search_with_tools"),
        "prefill": asked.prefill and not served.prefill,
        "dialect": asked.family != served.family,
    }
    return frozenset(aspect for aspect, differs in found.items() if differs)


def _thinks(model: Capabilities) -> tuple[object, ...]:
    """Return everything that decides how thinking is set for a model."""
    if model.thinking == "none":
        return ("none",)
    off = (model.thinking_off, model.efforts_off)
    budgets = (model.min_budget, model.max_budget, model.smallest_budget)
    return (model.thinking, model.efforts, *budgets, *off)


def _less(served: int | None, asked: int | None) -> bool:
    return served is not None and (asked is None or served < asked)


def _lacks(asked: Capabilities, served: Capabilities, *names: str) -> bool:
    """Return whether one model has a capability that the other does not have."""
    return any(getattr(asked, name) and not getattr(served, name) for name in names)


def _lacks_sampling(asked: Capabilities, served: Capabilities) -> bool:
    names = ("sampling", "sampling_at_rest", "sampling_together", "penalties")
    return _lacks(asked, served, *names) or served.thinks_untold > asked.thinks_untold


def _lacks_media(asked: Capabilities, served: Capabilities) -> bool:
    if not served.inputs:
        return any(asked.reads(kind) for kind in served.refused_inputs)  # all that is known
    in_results = asked.media_in_tool_results and not served.media_in_tool_results
    return in_results or not all(served.reads(kind) for kind in asked.inputs)
