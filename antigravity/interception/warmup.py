"""Recognition of the warm-up requests of Claude Code."""

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
#: Blocks that the client adds to messages.
_REMINDERS: Final = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)


@implementer(IWarmupFilter)
class ClaudeCodeWarmup:
    """Recognises the requests that Claude Code sends to fill prompt caches."""

    name = "claude-code"
    marks = (WORD.encode(),)

    def may_match(self, headers: Mapping[str, str]) -> bool:
        """Return whether Claude Code sent a request with these headers."""
        return is_claude_code(headers)

    def matches(self, request: Request, headers: Mapping[str, str]) -> bool:
        """Return whether the request is a warm-up request."""
        return self.may_match(headers) and is_warmup(request)


def is_warmup(request: Request) -> bool:
    """Return whether the word is the only text of the conversation, apart from reminders.

    The word in a later message is an answer to the model, and a longer text is a real request.
    """
    messages = [message for message in request.messages if message.role != "system"]
    if len(messages) != 1 or messages[0].role != "user":
        return False
    texts: list[str] = []
    for part in messages[0].parts:
        if not isinstance(part, Text):
            return False
        text = _REMINDERS.sub("", part.text).strip()
        if text:
            texts.append(text)
    return texts == [WORD]
