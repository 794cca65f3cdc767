"""Warm-ups of Claude Code: the word is fixed, and only the last message counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zope.interface import implementer

from antigravity.interception.clients import is_claude_code
from antigravity.interfaces.interception import IWarmupFilter
from antigravity.ir.parts import Part, Text, ToolResult
from antigravity.ir.request import Message, Request

WORD: Final = "Warmup"
#: A text of its own that is as long as this is somebody's prompt.
PROMPT_LENGTH: Final = 100


@implementer(IWarmupFilter)
class ClaudeCodeWarmup:
    """Recognises what Claude Code sends ahead to fill prompt caches."""

    name = "claude-code"
    marks = (WORD.encode(),)

    def wants(self, headers: Mapping[str, str]) -> bool:
        """Return whether Claude Code sent it."""
        return is_claude_code(headers)

    def matches(self, request: Request, headers: Mapping[str, str]) -> bool:
        """Return whether the last message is a warm-up."""
        return self.wants(headers) and bool(request.messages) and is_warmup(request.messages[-1])


def is_warmup(message: Message) -> bool:
    """Return whether a message is a warm-up."""
    if message.role != "user":
        return False
    match message.parts:
        case (Text(text=text),) if len(text) < PROMPT_LENGTH and _opens(text):
            return True
    return any(map(_is_warmup_part, message.parts))


def _opens(text: str) -> bool:
    """Return whether a text begins with the word, and not just with its letters."""
    return text.startswith(WORD) and not text[len(WORD) : len(WORD) + 1].isalnum()


def _is_warmup_part(part: Part) -> bool:
    match part:
        case Text(text=text):
            return text == WORD or text.startswith(WORD + "\n")
        case ToolResult(is_error=True, parts=(Text(text=text), *_)):
            return _opens(text)
        case _:
            return False
