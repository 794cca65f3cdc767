"""Watches a Gemini stream that is passed through, at the lowest cost.

Usage is in every chunk and only the last one counts, so it is decoded on access.  Other
chunks are decoded only if their bytes contain the name of a relevant field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IReasoningTap, ITextIgnoringTap
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, ThinkingDelta, ThinkingSignature, ToolCallStart
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in, error_in_event
from antigravity.protocols.gemini import client_schema, finish_reasons, token_counts
from antigravity.protocols.gemini.client_errors import decode_error, error_of_status
from antigravity.protocols.gemini_signatures import CLAUDE, FAMILY
from antigravity.sse import ServerSentEvent

_DONE: Final = b"[DONE]"
# In quotes these cannot be part of a text: quotes in texts are escaped.
_USAGE: Final = b'"usageMetadata"'
_FINISH: Final = b'"finishReason"'
_BLOCKED: Final = b'"blockReason"'
_ERROR: Final = b'"error"'
_CANDIDATES: Final = re.compile(rb'"candidates"\s*:\s*\[\s*\{')
_CALL: Final = b'"functionCall"'
#: Begins ``thought`` and ``thoughtSignature``.
_THOUGHT: Final = b'"thought'
#: The limit of bytes of thinking before a call that are held.
_MAX_HELD: Final = 4 * 1024 * 1024
#: The overhead of each held chunk in bytes.
_CHUNK_OVERHEAD: Final = 64
_CONTENT: Final = (
    _CALL,
    b'"inlineData"',
    b'"fileData"',
    b'"executableCode"',
    b'"codeExecutionResult"',
    _BLOCKED,
)


@implementer(IReasoningTap, ITextIgnoringTap)
class GeminiTap:
    """Watches one stream.

    :ivar finished: whether a candidate has finished.
    :ivar meaningful: whether real content was seen.
    :ivar failure: the error that was seen, if any.
    """

    __slots__ = (
        "_family",
        "_held",
        "_on_event",
        "_thoughts",
        "_usage",
        "_usage_chunk",
        "failure",
        "finished",
        "meaningful",
    )

    def __init__(self) -> None:
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._usage: Usage | None = None
        self._usage_chunk: bytes | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._family = FAMILY
        #: Chunks with thinking, undecoded, since the last call.
        self._thoughts: list[bytes] = []
        self._held = 0

    def collect(
        self, on_event: Callable[[Event], None], family: str, *, unsigned: bool = False
    ) -> None:
        """Report tool calls, and the signed thinking before them, from now on."""
        self._on_event = on_event
        self._family = CLAUDE if family == CLAUDE else FAMILY

    @property
    def usage(self) -> Usage | None:
        """The last usage seen."""
        if self._usage_chunk is not None:
            data, self._usage_chunk = self._usage_chunk, None
            summary = _summary(data)
            if summary is not None and summary.usage_metadata is not None:
                self._usage = token_counts.from_wire(summary.usage_metadata)
        return self._usage

    def watch_deltas(self, name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Examine chunks with content and usage only; else return false."""
        find = events.find
        if not self.meaningful or find(_FINISH) >= 0 or find(_BLOCKED) >= 0 or find(_ERROR) >= 0:
            return False
        if self._on_event is not None and (find(_THOUGHT) >= 0 or find(_CALL) >= 0):
            return False
        for each in payloads:
            if each.find(b'"candidates":[{') < 0 and each.find(b'"candidates": [{') < 0:
                return False
        if find(_USAGE) >= 0:
            counted = (each for each in reversed(payloads) if _USAGE in each)
            self._usage_chunk = next(counted, self._usage_chunk)
        return True

    def ignores_text(self) -> bool:
        """Return whether further texts leave the tap as it is."""
        return True

    def watch(self, event: ServerSentEvent) -> None:
        """Examine one event.

        :raises msgspec.DecodeError: for the end marker of other protocols, which no client of
            this one can read.
        """
        data = event.data
        if data.startswith(_DONE):
            raise msgspec.DecodeError("an event is not JSON")
        if _USAGE in data:
            self._usage_chunk = data
        if not self.meaningful:
            self.meaningful = _has_content(data)
        if self._on_event is not None and (self._thoughts or _THOUGHT in data):
            self._collect_thinking(data)
        if _FINISH in data or _ERROR in data or _BLOCKED in data:
            self._record_end(data)
        elif self.failure is None and not _CANDIDATES.search(data):
            self.failure = error_in_event(event.event, data, decode_error)

    def watch_body(self, body: bytes) -> None:
        """Examine a whole response."""
        if self._on_event is not None and _THOUGHT in body:
            self._collect_thinking(body)

    def _collect_thinking(self, data: bytes) -> None:
        """Hold thinking, and report it with the call that it led to."""
        if _THOUGHT in data:
            self._thoughts.append(data)
            self._held += len(data) + _CHUNK_OVERHEAD
        elif _CALL in data:
            self._thoughts.append(data)
        if self._held > _MAX_HELD:
            self._on_event = None
            self._thoughts = []
        elif _CALL in data:
            thoughts, self._thoughts, self._held = self._thoughts, [], 0
            for thought in thoughts:
                self._report_chunk(thought)

    def _report_chunk(self, data: bytes) -> None:
        try:
            response = client_schema.decode_response(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        for candidate in response.candidates or ():
            if candidate.content is not None and not candidate.index:
                for part in candidate.content.parts or ():
                    self._report_part(part)

    def _report_part(self, part: client_schema.Part) -> None:
        """Report one part; of calls, only those whose id the client sees too."""
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

    def _record_end(self, data: bytes) -> None:
        """Record the end or the error in a chunk, if it has one."""
        summary = _summary(data)
        if summary is None:
            self.failure = self.failure or error_in(data, decode_error)
            return
        if summary.error is not None:
            self.failure = error_in(data, decode_error) or error_of_status(summary.error)
            return
        if not summary.candidates:
            self.failure = self.failure or error_in(data, decode_error)
        feedback = summary.prompt_feedback
        if feedback is not None and feedback.block_reason:
            self.finished = True
        for candidate in summary.candidates or ():
            native = candidate.finish_reason
            if native and native != "FINISH_REASON_UNSPECIFIED":
                self.finished = True
                failure = finish_reasons.failure_of(native, None)
                if failure is not None:
                    self.failure = self.failure or failure
                elif native != "STOP":
                    self.meaningful = True  # it has a meaning even without content


def _summary(data: bytes) -> client_schema.ResponseSummary | None:
    """Return the fields that a tap reads, or ``None`` if the chunk is malformed."""
    try:
        return client_schema.decode_summary(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _has_content(data: bytes) -> bool:
    """Return whether a chunk has any content."""
    if any(name in data for name in _CONTENT):
        return True
    if b'"text"' not in data:
        return False
    try:
        response = client_schema.decode_response(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return any(
        part.text
        for candidate in response.candidates or ()
        if candidate.content is not None
        for part in candidate.content.parts or ()
    )
