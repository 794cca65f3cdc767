"""Checks of reasoning and empty turns by compatible services; pure.

Sources: https://api-docs.deepseek.com/guides/thinking_mode,
https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
"""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator.errors import refuse

_DEEPSEEK: Final = re.compile(r"deepseek-(v4|reasoner)")
_KIMI: Final = re.compile(r"kimi-(k2\.\d|k2-thinking|k3)")
_MISTRAL: Final = re.compile(r"(mi|mag|dev|code)stral")


def check_assistant_turns(body: dict[str, Any]) -> None:
    """Refuse tool calls without their reasoning, and empty assistant turns.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    model = str(body["model"]).rpartition("/")[2].lower()
    kimi, deepseek = _KIMI.match(model), _DEEPSEEK.match(model)
    thinking = body.get("thinking")
    off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    for index, message in enumerate(body["messages"]):
        if message.get("role") != "assistant":
            continue
        if (kimi or deepseek or _MISTRAL.match(model)) and not _has_content(message):
            refuse(
                f"Invalid request: the message at position {index} with role 'assistant' must not "
                "be empty"
            )
        if off or not message.get("tool_calls") or message.get("reasoning_content"):
            continue
        if kimi:
            refuse(
                "thinking is enabled but reasoning_content is missing in assistant tool call "
                f"message at index {index}"
            )
        if deepseek:
            refuse("The `reasoning_content` in the thinking mode must be passed back to the API.")


def _has_content(message: dict[str, Any]) -> bool:
    return any(message.get(name) for name in ("content", "tool_calls", "refusal", "audio"))
