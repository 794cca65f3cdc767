"""What is left of a request for a small model that only has to name or sum something up."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.ir.request import Request, ThinkingConfig
from antigravity.signatures.repair import without_signatures


def reduced(request: Request) -> Request:
    """Return the request without tools, and without thinking now or in its history.

    Calls and results of tools become text, as no model takes them where there are no tools.
    The fields that only one protocol knows go too: they speak of tools, of thinking and of
    the model that the client had in mind.
    """
    return replace(
        without_signatures(request, demanded=True),
        tools=(),
        tool_choice=None,
        parallel_tool_calls=None,
        thinking=ThinkingConfig("off"),
        extensions={},
    )
