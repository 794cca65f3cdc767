"""Watch a Gemini stream that is passed through, at the lowest cost.

Usage stands in every chunk and only the last one counts, so it is decoded when somebody
asks for it; other chunks are decoded only where their bytes show that it may matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IReasoningTap
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, ThinkingDelta, ThinkingSignature, ToolCallStart
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in, error_in_event
from antigravity.protocols.gemini import finish_reasons, token_counts, wire
from antigravity.protocols.gemini.client_errors import decode_error, error_of_status
from antigravity.protocols.gemini.signatures import CLAUDE, FAMILY
from antigravity.sse import ServerSentEvent

_DONE: Final = b"[DONE]"
# Quoted like this they can't be part of a text: quotes in texts are escaped.
_USAGE: Final = b'"usageMetadata"'
_FINISH: Final = b'"finishReason"'
_BLOCKED: Final = b'"blockReason"'
_ERROR: Final = b'"error"'
_CANDIDATES: Final = re.compile(rb'"candidates"\s*:\s*\[\s*\{')
_CALL: Final = b'"functionCall"'
#: Begins ``thought`` and ``thoughtSignature``.
_THOUGHT: Final = b'"thought'
#: Bytes of thinking that are held; nobody thinks more before a call.
_MOST: Final = 4 * 1024 * 1024
#: What each held chunk of it costs besides its bytes.
_COST: Final = 64
_CONTENT: Final = (
    _CALL,
    b'"inlineData"',
    b'"fileData"',
    b'"executableCode"',
    b'"codeExecutionResult"',
    _BLOCKED,
)


@implementer(IReasoningTap)
class GeminiTap:
    """Watches one stream.

    :ivar finished: whether a candidate has come to its end.
    :ivar meaningful: whether real content was seen.
    :ivar failure: the error that was seen, if any.
    """

    __slots__ = (
        "_counted",
        "_family",
        "_held",
        "_on_event",
        "_thoughts",
        "_usage",
        "failure",
        "finished",
        "meaningful",
    )

    def __init__(self) -> None:
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._usage: Usage | None = None
        self._counted: bytes | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._family = FAMILY
        #: Chunks with thinking, undecoded, since the last call.
        self._thoughts: list[bytes] = []
        self._held = 0

    def collect(
        self, on_event: Callable[[Event], None], family: str, *, unsigned: bool = False
    ) -> None:
        """Tell of tool calls, and of the signed thinking before them, from now on."""
        self._on_event = on_event
        self._family = CLAUDE if family == CLAUDE else FAMILY

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
        """Look at one event.

        :raises msgspec.DecodeError: if it is the mark that other protocols end with, which no
            client of this one reads.
        """
        data = event.data
        if data.startswith(_DONE):
            raise msgspec.DecodeError("an event is no JSON")
        if _USAGE in data:
            self._counted = data
        if not self.meaningful:
            self.meaningful = _says_something(data)
        if self._on_event is not None and (self._thoughts or _THOUGHT in data):
            self._think(data)
        if _FINISH in data or _ERROR in data or _BLOCKED in data:
            self._end(data)
        elif self.failure is None and not _CANDIDATES.search(data):
            self.failure = error_in_event(event.event, data, decode_error)

    def watch_body(self, body: bytes) -> None:
        """Look at a whole answer."""
        if self._on_event is not None and _THOUGHT in body:
            self._think(body)

    def _think(self, data: bytes) -> None:
        """Hold thinking, and tell of it with the call that it led to."""
        if _THOUGHT in data:
            self._thoughts.append(data)
            self._held += len(data) + _COST
        elif _CALL in data:
            self._thoughts.append(data)
        if self._held > _MOST:
            self._on_event = None
            self._thoughts = []
        elif _CALL in data:
            thoughts, self._thoughts, self._held = self._thoughts, [], 0
            for thought in thoughts:
                self._tell_of(thought)

    def _tell_of(self, data: bytes) -> None:
        try:
            answer = wire.decode_answer(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        for candidate in answer.candidates or ():
            if candidate.content is not None and not candidate.index:
                for part in candidate.content.parts or ():
                    self._part(part)

    def _part(self, part: wire.AnswerPart) -> None:
        """Tell of one part; of a call only where its id is the client's word for it too."""
        assert self._on_event is not None
        value, call = part.thought_signature, part.function_call
        signature = Signature(value, self._family) if value else None
        if call is not None:
            if call.id:
                self._on_event(ToolCallStart(0, call.id, call.name, signature=signature))
        elif part.thought:
            if part.text:
                self._on_event(ThinkingDelta(part.text))
            if signature is not None:
                self._on_event(ThinkingSignature(signature))

    def _end(self, data: bytes) -> None:
        """Take the end in that a chunk may hold."""
        glance = _glance(data)
        if glance is None:
            self.failure = self.failure or error_in(data, decode_error)
            return
        if glance.error is not None:
            self.failure = error_in(data, decode_error) or error_of_status(glance.error)
            return
        if not glance.candidates:
            self.failure = self.failure or error_in(data, decode_error)
        feedback = glance.prompt_feedback
        if feedback is not None and feedback.block_reason:
            self.finished = True
        for candidate in glance.candidates or ():
            native = candidate.finish_reason
            if native and native != "FINISH_REASON_UNSPECIFIED":
                self.finished = True
                failure = finish_reasons.failure_of(native, None)
                if failure is not None:
                    self.failure = self.failure or failure
                elif native != "STOP":
                    self.meaningful = True  # it means something also without content


def _glance(data: bytes) -> wire.AnswerGlance | None:
    """Return the fields that a tap needs, or ``None`` if the chunk is malformed."""
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
