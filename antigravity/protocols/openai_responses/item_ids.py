"""Ids of output items, which name their response: a later request can refer to an item alone."""

from __future__ import annotations

from typing import Final

_RESPONSE: Final = "resp_"
#: The digits of the item's index at the end of its id.
_DIGITS: Final = 4


def item_id(prefix: str, response_id: str, index: int) -> str:
    """Return the id of the item with this index in the output of a response."""
    return f"{prefix}{response_id.removeprefix(_RESPONSE)}{index:0{_DIGITS}x}"


def response_of(item: str) -> str:
    """Return the id of the response that an item is in, if :func:`item_id` made the item's id."""
    return _RESPONSE + item.partition("_")[2][:-_DIGITS]
