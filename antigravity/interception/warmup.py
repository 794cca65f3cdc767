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
        if not self.wants(headers) or not request.messages:
            return False
        return is_warmup(request.messages[-1], first=_begins(request))


def _begins(request: Request) -> bool:
    """Return whether nothing was said before the last message."""
    return all(message.role == "system" for message in request.messages[:-1])


def is_warmup(message: Message, *, first: bool) -> bool:
    """Return whether a message is a warm-up.

    A short text that only begins with the word is one at the beginning of a conversation;
    later on it is what somebody types.
    """
    if message.role != "user":
        return False
    match message.parts:
        case (Text(text=text),) if first and len(text) < PROMPT_LENGTH and _opens(text):
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
