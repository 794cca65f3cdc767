"""Reduces a background task to what a small model needs for it."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.ir.request import Request, ThinkingConfig
from antigravity.signatures.repair import without_signatures


def reduced(request: Request) -> Request:
    """Return the request without tools and thinking.

    Tool calls and results become text, since no model accepts them without declared tools.  The
    extensions of the client's protocol are removed, since they concern tools, thinking and the
    requested model.
    """
    return replace(
        without_signatures(request, demanded=True),
        tools=(),
        tool_choice=None,
        parallel_tool_calls=None,
        thinking=ThinkingConfig("off"),
        extensions={},
    )
