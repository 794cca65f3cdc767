"""Checks of other providers' models behind Anthropic's protocol; pure.

Source: https://api-docs.deepseek.com/guides/anthropic_api
"""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator.errors import refuse

_UNSIGNED: Final = re.compile(r"(deepseek|kimi|glm|minimax)-", re.IGNORECASE)
_DEMANDING: Final = re.compile(r"deepseek-(v4|reasoner)", re.IGNORECASE)


def accepts_unsigned_thinking(model: str) -> bool:
    """Return whether the model accepts thinking without a signature."""
    return _UNSIGNED.match(model) is not None


def check_reasoning(body: dict[str, Any]) -> None:
    """Refuse tool calls that are sent back without their thinking.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    off = body.get("thinking", {}).get("type") == "disabled"
    if off or not _DEMANDING.match(body["model"]):
        return
    for message in body["messages"]:
        content = message["content"]
        if message["role"] != "assistant" or not isinstance(content, list):
            continue
        called = any(block.get("type") == "tool_use" for block in content)
        if called and not any(block.get("thinking") for block in content):
            refuse("The `content[].thinking` in the thinking mode must be passed back to the API.")
