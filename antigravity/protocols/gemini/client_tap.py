"""Watch a Gemini stream that is passed through, at the lowest cost.

Usage stands in every chunk and only the last one counts, so it is decoded when somebody
asks for it; other chunks are decoded only where their bytes show that it may matter.
"""

from __future__ import annotations

from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import ITap
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini import finish_reasons, token_counts, wire
from antigravity.protocols.gemini.client_errors import error_of_status
from antigravity.sse import ServerSentEvent

# Quoted like this they can't be part of a text: quotes in texts are escaped.
_USAGE: Final = b'"usageMetadata"'
_ENDS: Final = (b'"finishReason"', b'"blockReason"', b'"error"')
_CONTENT: Final = (
    b'"functionCall"',
    b'"inlineData"',
    b'"fileData"',
    b'"executableCode"',
    b'"codeExecutionResult"',
    b'"blockReason"',
)


@implementer(ITap)
class GeminiTap:
    """Watches one stream.

    :ivar finished: whether a candidate has come to its end.
    :ivar meaningful: whether real content was seen.
    :ivar failure: the error that was seen, if any.
    """

    def __init__(self) -> None:
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._usage: Usage | None = None
        self._counted: bytes | None = None

    @property
    def usage(self) -> Usage | None:
        """The last usage seen."""
        if self._counted is not None:
            data, self._counted = self._counted, None
            glance = _glance(data)
            if glance is not None and glance.usage_metadata is not None:
                self._usage = token_counts.from_wire(glance.usage_metadata)
        return self._usage

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
        data = event.data
        if _USAGE in data:
            self._counted = data
        if not self.meaningful:
            self.meaningful = _says_something(data)
        if any(word in data for word in _ENDS):
            self._end(data)

    def _end(self, data: bytes) -> None:
        """Take the end in that a chunk may hold."""
        glance = _glance(data)
        if glance is None:
            return
        if glance.error is not None:
            self.failure = error_of_status(glance.error)
            return
        feedback = glance.prompt_feedback
        if feedback is not None and feedback.block_reason:
            self.finished = True
        for candidate in glance.candidates or ():
            native = candidate.finish_reason
            if native and native != "FINISH_REASON_UNSPECIFIED":
                self.finished = True
                failure = finish_reasons.failure_of(native, None)
                if isinstance(failure, UpstreamError) and self.failure is None:
                    self.failure = failure


def _glance(data: bytes) -> wire.AnswerGlance | None:
    """Return the little that a tap needs, or ``None`` if the chunk makes no sense."""
    try:
        return wire.decode_glance(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _says_something(data: bytes) -> bool:
    """Return whether a chunk holds any real content."""
    if any(word in data for word in _CONTENT):
        return True
    if b'"text"' not in data:
        return False
    try:
        answer = wire.decode_answer(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return any(
        part.text
        for candidate in answer.candidates or ()
        if candidate.content is not None
        for part in candidate.content.parts or ()
    )
