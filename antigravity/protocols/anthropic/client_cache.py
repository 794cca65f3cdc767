"""Cache breakpoints for clients of protocols in which prompts are cached without them.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

from typing import Any

from antigravity.ir.capabilities import Target
from antigravity.ir.parts import CacheControl
from antigravity.ir.request import Request
from antigravity.ir.request_features import CACHED_USER_TURNS, wants_cache_breakpoints
from antigravity.protocols.anthropic.client_content import THINKING, Block, cache_control


def add_breakpoints(body: dict[str, Any], request: Request, target: Target) -> None:
    """Add breakpoints to the body if the conversation is likely to be continued."""
    if not target.accepts(
        "cache_control", usual=target.capabilities.family == "claude"
    ) or not wants_cache_breakpoints(request):
        return
    instructions = body.get("system") or body.get("tools")
    if instructions:
        _mark(instructions)
    users = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
    for blocks in users[-CACHED_USER_TURNS:]:
        _mark(blocks)


def _mark(blocks: list[Block]) -> None:
    """Add a breakpoint to the last of some blocks that can have one."""
    for block in reversed(blocks):
        if block.get("type") not in THINKING and not block.get("defer_loading"):
            block.setdefault("cache_control", cache_control(CacheControl()))
            return
