"""What is read of the events of a stream, whatever their types."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class WireEvent(Struct, frozen=True):
    """The fields of all events that are read; none is checked before it is needed."""

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
