"""The answer to a warm-up, in no protocol's words."""

from __future__ import annotations

import math
from typing import Final

from antigravity.context.estimate import estimate_text, estimate_tokens
from antigravity.ir.events import Event, Finish, ResponseStart, TextDelta, UsageUpdate
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage

ANSWER: Final = "OK"


def fixed_response(request: Request) -> tuple[tuple[Event, ...], Usage]:
    """Return a complete short answer, and its usage: an estimate, as nobody counted."""
    usage = Usage(input_total=estimate_tokens(request), output=math.ceil(estimate_text(ANSWER)))
    events = (
        ResponseStart(model=request.model),
        UsageUpdate(Usage(input_total=usage.input_total)),
        TextDelta(ANSWER),
        Finish("stop"),
        UsageUpdate(usage),
    )
    return events, usage
