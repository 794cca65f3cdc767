"""What models of other makers take and demand behind Anthropic's protocol; pure.

Source: https://api-docs.deepseek.com/guides/anthropic_api
"""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator.strict.refusal import refuse

_UNSIGNED: Final = re.compile(r"(deepseek|kimi|glm|minimax)-", re.IGNORECASE)
_DEMANDING: Final = re.compile(r"deepseek-(v4|reasoner)", re.IGNORECASE)


def takes_unsigned(model: str, block: Any) -> bool:
    """Return whether a block is thinking that this model takes without a signature."""
    if not isinstance(block, dict) or block.get("type") != "thinking":
        return False
    return _UNSIGNED.match(model) is not None and isinstance(block.get("thinking"), str)


def check_reasoning(body: dict[str, Any]) -> None:
    """Refuse calls of tools that come back without the thinking that led to them.

    :raises ApiError: as the service words it.
    """
    off = isinstance(body.get("thinking"), dict) and body["thinking"].get("type") == "disabled"
    if off or not _DEMANDING.match(str(body.get("model"))):
        return
    for message in body["messages"]:
        content = message["content"]
        if message["role"] != "assistant" or not isinstance(content, list):
            continue
        called = any(block.get("type") == "tool_use" for block in content)
        if called and not any(block.get("thinking") for block in content):
            refuse("The `content[].thinking` in the thinking mode must be passed back to the API.")
