"""Encodes events as the parts of a candidate, streamed or whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.ir.events import (
    CitationEvent,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    WebSearchEvent,
)
from antigravity.ir.media import FileReference, InlineData, MediaSource, UrlSource
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.protocols.call_arguments import call_arguments, json_object
from antigravity.protocols.event_sequencer import OrderedEvent
from antigravity.protocols.gemini import finish_reasons, logprobs
from antigravity.protocols.gemini.grounding import GroundingBuilder
from antigravity.protocols.gemini_signatures import is_useful_alone, of_redacted, to_wire

WirePart = dict[str, Any]


def shows_thoughts(request: Request) -> bool:
    """Return whether the client requested thoughts; Gemini omits them otherwise."""
    return request.thinking.include is True


class Candidate:
    """One candidate; events come in the order of ``EventSequencer``.

    :ivar finish: the finish reason, as soon as it is known.
    """

    def __init__(self, index: int, *, thoughts: bool, finish: Finish | None = None) -> None:
        self.finish = finish
        self._index = index
        self._thoughts = thoughts
        self._calls: dict[int, tuple[ToolCallStart, Signature | None, list[str]]] = {}
        self._text: list[str] = []
        self._grounding = GroundingBuilder()
        self._logprobs: list[dict[str, Any]] = []
        self._pending: Signature | None = None  # waits for a part to carry it

    def part(self, event: OrderedEvent) -> WirePart | None:
        """Return the part that an event completes, if it completes one."""
        write = _WRITERS.get(type(event))
        return None if write is None else write(self, event)

    def encode(self, parts: list[WirePart]) -> dict[str, Any]:
        """Return the candidate with some of its parts."""
        return {"content": {"parts": parts, "role": "model"}, "index": self._index}

    def encode_last(self, parts: list[WirePart]) -> dict[str, Any]:
        """Return the candidate with its last parts, at least one, and its finish reason."""
        if self._pending is not None or not parts:
            parts.append(_text_part("", self._take_signature()))
        finish = self.finish
        candidate = self.encode(parts)
        candidate["finishReason"] = (
            "OTHER" if finish is None else finish_reasons.to_wire(finish.reason, finish.native)
        )
        grounding = self._grounding.build("".join(self._text))
        if grounding is not None:
            candidate["groundingMetadata"] = grounding
        if self._logprobs:
            candidate["logprobsResult"] = logprobs.to_wire(self._logprobs)
        return candidate

    def _take_signature(self) -> Signature | None:
        """Return the pending signature, and clear it."""
        pending, self._pending = self._pending, None
        return pending

    def _text_delta(self, event: TextDelta) -> WirePart | None:
        if not event.text:
            return None
        self._text.append(event.text)
        if self._pending is None:
            return {"text": event.text}
        return _text_part(event.text, self._take_signature())

    def _text_signature(self, event: TextSignature) -> WirePart:
        return _text_part("", event.signature)

    def _refusal(self, event: RefusalDelta) -> WirePart | None:
        return _text_part(event.text) if event.text else None

    def _thinking(self, event: ThinkingDelta) -> WirePart | None:
        return _thought_part(event.text) if self._thoughts and event.text else None

    def _thinking_signature(self, event: ThinkingSignature) -> WirePart | None:
        return self._sign(event.signature)

    def _redacted(self, event: RedactedThinking) -> WirePart | None:
        return self._sign(of_redacted(event.data, event.family))

    def _sign(self, signature: Signature) -> WirePart | None:
        """Return the part that carries a signature of thinking, or keep it pending."""
        if self._thoughts:
            return _thought_part("", signature)
        if not is_useful_alone(signature):
            return None
        before, self._pending = self._pending, signature
        return None if before is None else _text_part("", before)

    def _call_start(self, event: ToolCallStart) -> None:
        self._calls[event.call] = (event, event.signature or self._take_signature(), [])

    def _call_delta(self, event: ToolCallDelta) -> None:
        self._calls[event.call][2].append(event.arguments)

    def _call_end(self, event: ToolCallEnd) -> WirePart | None:
        """Return a call unless the output limit cut it off."""
        start, signature, pieces = self._calls.pop(event.call)
        arguments = "".join(pieces)
        limited = self.finish is not None and self.finish.reason == "length"
        if limited and start.kind == "function" and json_object(arguments) is None:
            return None
        args = call_arguments(arguments, start.kind)
        return _signed(
            {"functionCall": {"id": start.id, "name": start.name, "args": args}}, signature
        )

    def _media(self, event: MediaOutput) -> WirePart:
        return _signed(_media_part(event.mime_type, event.source), event.signature)

    def _search(self, event: WebSearchEvent) -> None:
        self._grounding.search(event.search)

    def _cite(self, event: CitationEvent) -> None:
        self._grounding.cite(event.citation)

    def _add_logprobs(self, event: LogprobsDelta) -> None:
        self._logprobs += event.content

    def _finish(self, event: Finish) -> None:
        self.finish = event


_WRITERS: Final[dict[type, Callable[[Candidate, Any], WirePart | None]]] = {
    TextDelta: Candidate._text_delta,
    TextSignature: Candidate._text_signature,
    RefusalDelta: Candidate._refusal,
    ThinkingDelta: Candidate._thinking,
    ThinkingSignature: Candidate._thinking_signature,
    RedactedThinking: Candidate._redacted,
    ToolCallStart: Candidate._call_start,
    ToolCallDelta: Candidate._call_delta,
    ToolCallEnd: Candidate._call_end,
    MediaOutput: Candidate._media,
    WebSearchEvent: Candidate._search,
    CitationEvent: Candidate._cite,
    LogprobsDelta: Candidate._add_logprobs,
    Finish: Candidate._finish,
}


def add_part(parts: list[WirePart], part: WirePart) -> None:
    """Add a part; add a lone signature to the text or thought before it, if that has none."""
    before = parts[-1] if parts else {}
    same = before.get("text") and before.get("thought") == part.get("thought")
    if same and part.get("text") == "" and "thoughtSignature" not in before:
        before["thoughtSignature"] = part["thoughtSignature"]
    else:
        parts.append(part)


def _signed(part: WirePart, signature: Signature | None) -> WirePart:
    return part if signature is None else {**part, "thoughtSignature": to_wire(signature)}


def _text_part(text: str, signature: Signature | None = None) -> WirePart:
    return _signed({"text": text}, signature)


def _thought_part(text: str, signature: Signature | None = None) -> WirePart:
    return _signed({"text": text, "thought": True}, signature)


def _media_part(mime_type: str, source: MediaSource) -> WirePart:
    """Return the part of an image or of audio."""
    match source:
        case InlineData():
            return {"inlineData": {"mimeType": mime_type, "data": source.data}}
        case UrlSource():
            return {"fileData": {"mimeType": mime_type, "fileUri": source.url}}
        case FileReference():
            return {"fileData": {"mimeType": mime_type, "fileUri": source.id}}
