"""Warm-ups of Claude Code: a conversation that consists of one word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from zope.interface import implementer

from antigravity.interception.clients import is_claude_code
from antigravity.interfaces.interception import IWarmupFilter
from antigravity.ir.parts import Text
from antigravity.ir.request import Request

WORD: Final = "Warmup"
#: Blocks that the client adds to messages by itself.
_REMINDERS: Final = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)


@implementer(IWarmupFilter)
class ClaudeCodeWarmup:
    """Recognises what Claude Code sends ahead to fill prompt caches."""

    name = "claude-code"
    marks = (WORD.encode(),)

    def wants(self, headers: Mapping[str, str]) -> bool:
        """Return whether Claude Code sent it."""
        return is_claude_code(headers)

    def matches(self, request: Request, headers: Mapping[str, str]) -> bool:
        """Return whether the request is a warm-up, and nothing else."""
        return self.wants(headers) and is_warmup(request)


def is_warmup(request: Request) -> bool:
    """Return whether the word is all that a conversation consists of, reminders aside.

    The word in a later message answers the model, and a longer text is a request.
    """
    said = [message for message in request.messages if message.role != "system"]
    if len(said) != 1 or said[0].role != "user":
        return False
    texts: list[str] = []
    for part in said[0].parts:
        if not isinstance(part, Text):
            return False
        text = _REMINDERS.sub("", part.text).strip()
        if text:
            texts.append(text)
    return texts == [WORD]
