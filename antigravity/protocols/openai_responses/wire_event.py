"""The members of streamed events that the gateway reads."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class WireEvent(Struct, frozen=True):
    """Event of any type; members are checked when they are used."""

    type: Any = None
    response: Any = None
    output_index: Any = None
    item_id: Any = None
    content_index: Any = None
    summary_index: Any = None
    item: Any = None
    output: Any = None
    object: Any = None
    part: Any = None
    annotation: Any = None
    logprobs: Any = None
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None
