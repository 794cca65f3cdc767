"""Events to the chunks of a ``streamGenerateContent`` answer.

A chunk always holds a candidate with a part: SDKs drop a whole turn from their history
when one chunk of it has none.  Finish reasons wait for the last chunk, so that usage is
beside them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini import finish_reasons, logprobs, signatures, token_counts
from antigravity.protocols.gemini.answer_parts import (
    WirePart,
    call_part,
    media_part,
    shows_thoughts,
    text_part,
    thought_part,
)
from antigravity.protocols.gemini.arguments import json_object
from antigravity.protocols.gemini.errors import failed_chunk
from antigravity.protocols.gemini.frames import framer_for
from antigravity.protocols.gemini.grounding import GroundingBuilder


class _OpenCall:
    """A call whose arguments are still coming."""

    __slots__ = ("pieces", "signature", "start")

    def __init__(self, start: ToolCallStart, signature: Signature | None) -> None:
        self.start = start
        self.signature = signature
        self.pieces: list[str] = []

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def part(self) -> WirePart:
        start = self.start
        return call_part(start.id, start.name, self.arguments, start.kind, self.signature)


class _Choice:
    """What is known of one candidate."""

    def __init__(self) -> None:
        self.calls: dict[int, _OpenCall] = {}
        self.text: list[str] = []
        self.grounding = GroundingBuilder()
        self.logprobs: list[dict[str, Any]] = []
        self.pending: Signature | None = None
        self.finish: Finish | None = None

    def take_signature(self) -> Signature | None:
        """Return the signature that waits for a part to sit on, and forget it."""
        pending, self.pending = self.pending, None
        return pending


@implementer(IStreamEncoder)
class GeminiStreamEncoder:
    """Encodes one streamed reply."""

    def __init__(self, context: ReplyContext) -> None:
        self._framer = framer_for(context.call)
        self.content_type = self._framer.content_type
        self._thoughts = shows_thoughts(context.request)
        self._identity = {"modelVersion": context.model, "responseId": ""}
        self._new_id = context.new_id
        self._choices: dict[int, _Choice] = {}
        self._usage = Usage()
        self._closed = False

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none."""
        if self._closed:
            return b""
        match event:
            case ResponseStart():
                self._identity = {
                    "modelVersion": event.model or self._identity["modelVersion"],
                    "responseId": event.id,
                }
                return b""
            case UsageUpdate():
                self._usage = event.usage
                return b""
            case StreamFailure():
                return self._fail(event.error)
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = _Choice()
        if choice.finish is not None:
            return b""
        parts = self._parts(event, choice)
        return b"".join([self._chunk([self._candidate(event.choice, [part])]) for part in parts])

    def keepalive(self) -> bytes:
        """Return white space in an open array, else nothing."""
        return b"" if self._closed else self._framer.keepalive()

    def end(self) -> bytes:
        """Return the last chunk, with all finish reasons and the usage."""
        if self._closed:
            return b""
        if all(choice.finish is None for choice in self._choices.values()):
            return self._fail(
                UpstreamError("The upstream broke off before its answer was complete; try again.")
            )
        last = [self._last(index, self._choices[index]) for index in sorted(self._choices)]
        usage = {"usageMetadata": token_counts.to_wire(self._usage)}
        self._closed = True
        return self._chunk(last, usage) + self._framer.end()

    def _parts(self, event: Event, choice: _Choice) -> list[WirePart]:
        """Return the parts that an event of one choice completes."""
        match event:
            case TextDelta():
                if not event.text:
                    return []
                choice.text.append(event.text)
                return [text_part(event.text, choice.take_signature())]
            case RefusalDelta():
                return [text_part(event.text)] if event.text else []
            case ThinkingDelta():
                return [thought_part(event.text)] if self._thoughts and event.text else []
            case ThinkingSignature():
                return self._sign(event.signature, choice)
            case RedactedThinking():
                return self._sign(signatures.of_redacted(event.data, event.family), choice)
            case TextSignature():
                return [text_part("", event.signature)]
            case ToolCallStart():
                signature = event.signature or choice.take_signature()
                choice.calls[event.call] = _OpenCall(event, signature)
            case ToolCallDelta():
                if event.call in choice.calls:
                    choice.calls[event.call].pieces.append(event.arguments)
            case ToolCallEnd():
                call = choice.calls.pop(event.call, None)
                return [call.part()] if call is not None else []
            case MediaOutput():
                return [media_part(event.mime_type, event.source, event.signature)]
            case WebSearchEvent():
                choice.grounding.search(event.search)
            case CitationEvent():
                choice.grounding.cite(event.citation)
            case LogprobsDelta():
                choice.logprobs += event.content
            case Finish():
                choice.finish = event
                return self._left_open(choice, event)
        return []

    def _sign(self, signature: Signature, choice: _Choice) -> list[WirePart]:
        """Return the part that a signature of thinking sits on, or let it wait for one."""
        if self._thoughts:
            return [thought_part("", signature)]
        if not signatures.useful_alone(signature):
            return []
        before = choice.take_signature()
        choice.pending = signature
        return [] if before is None else [text_part("", before)]

    def _left_open(self, choice: _Choice, finish: Finish) -> list[WirePart]:
        """Return the calls that nobody has ended, but not those that a limit cut off."""
        calls, choice.calls = list(choice.calls.values()), {}
        return [
            call.part()
            for call in calls
            if finish.reason != "length" or json_object(call.arguments) is not None
        ]

    def _last(self, index: int, choice: _Choice) -> dict[str, Any]:
        """Return the last word on one candidate."""
        finish = choice.finish
        candidate = self._candidate(index, [text_part("", choice.take_signature())])
        candidate["finishReason"] = (
            "OTHER" if finish is None else finish_reasons.to_wire(finish.reason, finish.native)
        )
        grounding = choice.grounding.build("".join(choice.text))
        if grounding is not None:
            candidate["groundingMetadata"] = grounding
        if choice.logprobs:
            candidate["logprobsResult"] = logprobs.to_wire(choice.logprobs)
        return candidate

    def _candidate(self, index: int, parts: list[WirePart]) -> dict[str, Any]:
        return {"content": {"parts": parts, "role": "model"}, "index": index}

    def _chunk(self, candidates: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        if not self._identity["responseId"]:
            self._identity["responseId"] = self._new_id("")
        chunk = {"candidates": candidates, **(more or {}), **self._identity}
        return self._framer.frame(msgspec.json.encode(chunk))

    def _fail(self, error: GatewayError) -> bytes:
        """Return the error as the last chunk, and the end of the stream."""
        self._closed = True
        return self._framer.frame(failed_chunk(error)) + self._framer.end()
