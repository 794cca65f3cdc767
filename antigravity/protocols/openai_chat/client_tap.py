"""Watches a stream that is passed through: decodes only what can matter."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import ITap
from antigravity.ir.errors import GatewayError
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_usage import read_usage
from antigravity.protocols.openai_chat.schema import Chunk
from antigravity.protocols.openai_errors import error_from_stream
from antigravity.sse import ServerSentEvent

_CHUNK: Final = msgspec.json.Decoder(Chunk)
#: Keys with a value; inside of strings their quotes are escaped, so text can't match.
_MATTERS: Final = re.compile(rb'"(?:usage"\s*:\s*\{|finish_reason"\s*:\s*"|error"\s*:\s*["{])')
_CONTENT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|refusal|data|url|name|thinking)"\s*:\s*"[^"]'
)


@implementer(ITap)
class ChatTap:
    """Watches one stream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
        data = event.data
        if not self.meaningful and _CONTENT.search(data):
            self.meaningful = True
        if data.startswith(b"[DONE]"):
            # Some servers give no reason; but nothing at all is no answer.
            self.finished = self.failure is None and (self.finished or self.meaningful)
        elif event.event == "error" or _MATTERS.search(data):
            self._decode(event)

    def _decode(self, event: ServerSentEvent) -> None:
        try:
            chunk = _CHUNK.decode(event.data)
        except (ValueError, RecursionError):
            return  # the client will see for itself
        if chunk.error or event.event == "error":
            self.failure = error_from_stream(event.data)
            self.finished = False
            return
        if any(choice.finish_reason for choice in chunk.choices or ()):
            self.finished = True
        usage = read_usage(chunk.usage)
        if usage is not None:
            self.usage = usage
