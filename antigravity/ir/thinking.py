"""Facts about thinking that protocols share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from antigravity.ir.request import Effort, ThinkingConfig

#: All efforts, the lowest first.
EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)

#: Replaces the lost reasoning of a tool call if the model rejects the call without any.
#: It must not be empty.
LOST_REASONING: Final = "(The reasoning that led to this call was not kept.)"


def requested_effort(thinking: ThinkingConfig) -> Effort | None:
    """Return the effort that corresponds to the settings of a request, ``None`` for the default.

    A negative budget leaves the effort to the model, as in the Gemini API.
    """
    if thinking.mode == "off":
        return "none"
    if thinking.effort is not None:
        return thinking.effort
    if thinking.mode == "default" or thinking.budget is None or thinking.budget < 0:
        return None
    if thinking.budget == 0:
        return "none"
    if thinking.budget < 2000:
        return "low"
    return "medium" if thinking.budget < 7000 else "high"


def nearest_effort(effort: Effort, accepted: Sequence[Effort]) -> Effort:
    """Return the accepted effort nearest to ``effort``, the lower of two equally near."""
    place = EFFORTS.index(effort)
    places = map(EFFORTS.index, accepted)
    return EFFORTS[min(places, key=lambda each: (abs(each - place), each))]
