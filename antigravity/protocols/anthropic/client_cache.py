"""Cache breakpoints for clients of protocols in which prompts are cached without them.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.parts import CacheControl
from antigravity.ir.request import Request
from antigravity.ir.request_features import has_cache_breakpoints
from antigravity.protocols.anthropic.client_content import THINKING, Block, cache_control

#: The turns of the user that get a breakpoint.  The API finds an earlier entry only within 20
#: blocks before a breakpoint, so the turn that was marked in the request before is marked again.
_USER_TURNS: Final = 2


def add_breakpoints(body: dict[str, Any], request: Request, target: Target) -> None:
    """Add breakpoints to the body if the conversation is likely to be continued.

    The provider of the client's protocol would cache the prompt by itself, but Claude caches only
    up to a breakpoint, and writing costs more than plain input.  So a single question without
    tools gets none, and neither does a request with breakpoints of its own, or whose client has
    chosen to set them itself.
    """
    continued = bool(request.tools) or any(turn["role"] == "assistant" for turn in body["messages"])
    if (
        not continued
        or request.protocol == "anthropic"
        or not target.accepts("cache_control", usual=target.capabilities.family == "claude")
        or has_cache_breakpoints(request)
        or _only_explicit(request)
    ):
        return
    instructions = body.get("system") or body.get("tools")
    if instructions:
        _mark(instructions)
    users = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
    for blocks in users[-_USER_TURNS:]:
        _mark(blocks)


def _only_explicit(request: Request) -> bool:
    """Return whether a client of OpenAI has switched the automatic breakpoint off."""
    options = request.extensions.get("prompt_cache_options")
    return isinstance(options, dict) and options.get("mode") == "explicit"


def _mark(blocks: list[Block]) -> None:
    """Add a breakpoint to the last of some blocks that can have one."""
    for block in reversed(blocks):
        if block.get("type") not in THINKING and not block.get("defer_loading"):
            block.setdefault("cache_control", cache_control(CacheControl()))
            return
