"""Cache breakpoints for Claude models at servers that pass them on, such as OpenRouter.

Source: https://openrouter.ai/docs/features/prompt-caching
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.ir.request_features import CACHED_USER_TURNS, wants_cache_breakpoints

Wire = dict[str, Any]

_INSTRUCTIONS: Final = ("system", "developer")
_MARK: Final = {"cache_control": {"type": "ephemeral"}}


def add_breakpoints(body: Wire, request: Request, target: Target) -> None:
    """Add the breakpoints that a request to Claude's own API would get.

    Only a text can have one, besides a tool.
    """
    if (
        target.capabilities.family != "claude"
        or not target.accepts("cache_control")
        or not wants_cache_breakpoints(request)
    ):
        return
    runs = [(kind, list(run)) for kind, run in groupby(body["messages"], _kind)]
    instructions = runs[0][1] if runs[0][0] == "instructions" else []
    if not _mark_last(instructions) and (tools := body.get("tools")):
        tools[-1] |= _MARK
    turns = [run for kind, run in runs if kind == "user"]
    for turn in turns[-CACHED_USER_TURNS:]:
        _mark_last(turn)


def _kind(message: Wire) -> str:
    """Return the kind of turn that a message belongs to; results of tools are the user's."""
    role = message["role"]
    if role in _INSTRUCTIONS:
        return "instructions"
    return "assistant" if role == "assistant" else "user"


def _mark_last(messages: Iterable[Wire]) -> bool:
    """Add a breakpoint to the last text of some messages; return whether there is one."""
    for message in reversed(list(messages)):
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for part in _texts(content):
            part |= _MARK
            message["content"] = content
            return True
    return False


def _texts(content: list[Wire]) -> Iterator[Wire]:
    """Yield the parts that can have a breakpoint, last first: Claude refuses it on empty texts."""
    for part in reversed(content):
        if part["type"] == "text" and part["text"].strip():
            yield part
