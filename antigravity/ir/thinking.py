"""Text about thinking that protocols share."""

from __future__ import annotations

from typing import Final

#: Replaces the lost reasoning of a tool call if the model rejects the call without any.
#: It must not be empty.
LOST_REASONING: Final = "(The reasoning that led to this call was not kept.)"
