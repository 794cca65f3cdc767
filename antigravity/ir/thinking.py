"""Text about thinking that protocols share."""

from __future__ import annotations

from typing import Final

#: Stands for the reasoning behind a tool call where it is lost and the model refuses the call
#: without any.  It must not be empty.
LOST_REASONING: Final = "(The reasoning that led to this call was not kept.)"
