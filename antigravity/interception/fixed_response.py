"""The fixed response to a warm-up request."""

from __future__ import annotations

import math
from typing import Final

from antigravity.context.estimate import estimate_text, estimate_tokens
from antigravity.ir.events import Event, Finish, ResponseStart, TextDelta, UsageUpdate
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage

TEXT: Final = "OK"


def fixed_response(request: Request) -> tuple[tuple[Event, ...], Usage]:
    """Return the events of a short response, and its usage, which is an estimate."""
    usage = Usage(input_total=estimate_tokens(request), output=math.ceil(estimate_text(TEXT)))
    events = (
        ResponseStart(model=request.model),
        UsageUpdate(Usage(input_total=usage.input_total)),
        TextDelta(TEXT),
        Finish("stop"),
        UsageUpdate(usage),
    )
    return events, usage
