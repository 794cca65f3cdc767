"""Facts about thinking that protocols share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from antigravity.ir.request import Effort

#: All efforts, the lowest first.
EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)

#: Replaces the lost reasoning of a tool call if the model rejects the call without any.
#: It must not be empty.
LOST_REASONING: Final = "(The reasoning that led to this call was not kept.)"


def nearest_effort(effort: Effort, accepted: Sequence[Effort]) -> Effort:
    """Return the accepted effort nearest to ``effort``, the lower of two equally near."""
    place = EFFORTS.index(effort)
    places = map(EFFORTS.index, accepted)
    return EFFORTS[min(places, key=lambda each: (abs(each - place), each))]
