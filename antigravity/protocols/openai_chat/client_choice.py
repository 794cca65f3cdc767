"""Decodes the chunks of one choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from antigravity.ir.events import (
    MEANINGFUL,
    CitationEvent,
    Event,
    Finish,
    FinishReason,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
)
from antigravity.ir.media import InlineData, MediaSource, UrlSource, split_data_url
from antigravity.ir.parts import Citation
from antigravity.ir.signature import Signature
from antigravity.protocols.openai_chat.audio_formats import join_base64
from antigravity.protocols.openai_chat.client_calls import CallAssembler
from antigravity.protocols.openai_chat.extra_content import is_thought, read_signature
from antigravity.protocols.openai_chat.schema import ChunkChoice, ChunkDelta, ChunkToolCall
from antigravity.protocols.openai_chat.think_tags import Piece, ThinkTagSplitter

#: Finish reasons in lower case, including those of compatible servers; any other is ``stop``.
_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content-filter": "content_filter",
    "content_filtered": "content_filter",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "refusal": "refusal",
}
#: Finish reasons of compatible servers that mean a failure.
_FAILURES: Final = frozenset(("error", "insufficient_system_resource", "abort", "network_error"))


class ChoiceDecoder:
    """Decoder of the deltas of one choice.

    :ivar finish: the upstream's finish reason, if it was sent.
    :ivar meaningful: whether content was seen.
    """

    def __init__(
        self,
        index: int,
        audio_type: str,
        next_call: Callable[[], int],
        make_id: Callable[[int], str],
        tags: ThinkTagSplitter | None = None,
    ) -> None:
        self.finish: str | None = None
        self.meaningful = False
        self._index = index
        self._audio_type = audio_type
        self._calls = CallAssembler(index, next_call, make_id)
        self._tags = tags
        self._refused = False
        self._audio: list[str] = []
        self._transcript: list[str] = []

    @property
    def broken(self) -> bool:
        """Whether the choice has failed, or has a call that cannot be run."""
        return self.finish in _FAILURES or self._calls.nameless

    def whole(self) -> bool:
        """Return whether the content is complete, although no finish reason was sent."""
        return self.meaningful and self._calls.whole()

    def decode(self, wire: ChunkChoice, events: list[Event]) -> None:
        """Add the events of one chunk to ``events``."""
        delta = wire.delta or wire.message
        if delta is not None:
            begin = len(events)
            self._delta(delta, events)
            if not self.meaningful:
                self.meaningful = any(isinstance(event, MEANINGFUL) for event in events[begin:])
        if wire.text:
            self.meaningful = True
            events.append(TextDelta(wire.text, self._index))
        if wire.logprobs is not None:
            events += self._logprobs(wire.logprobs)
        if wire.finish_reason:
            self.finish = wire.finish_reason

    def end(self) -> Iterator[Event]:
        """Yield what was held back, and the finish."""
        yield from self._release_text()
        yield from self._calls.end()
        if self._audio or self._transcript:
            source = InlineData(join_base64(self._audio))
            transcript = "".join(self._transcript)
            yield MediaOutput(self._audio_type, source, None, transcript or None, self._index)
        reason = _REASONS.get((self.finish or "").lower(), "stop")
        if reason in ("stop", "tool_calls"):
            reason = "tool_calls" if self._calls.any else "refusal" if self._refused else "stop"
        yield Finish(reason, native=self.finish, choice=self._index)

    def _delta(self, delta: ChunkDelta, events: list[Event]) -> None:
        """Add the events of a delta to ``events``."""
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details is not None:
            if self._tags is not None:  # the server has a parser
                events += self._release_text()
            events += self._reasoning(delta)
        content = delta.content
        if isinstance(content, str):
            if content and self._tags is not None:
                events += self._pieces(self._tags.feed(content))
                if self._tags.done:
                    self._tags = None
            elif content:
                thought = delta.extra_content is not None and is_thought(delta.extra_content)
                kind = ThinkingDelta if thought else TextDelta
                events.append(kind(content, self._index))
        elif content is not None:
            events += self._parts(content)
        if self._tags is not None and (delta.tool_calls or delta.function_call or delta.refusal):
            events += self._release_text()
        if delta.refusal:
            self._refused = True
            events.append(RefusalDelta(delta.refusal, self._index))
        if delta.extra_content is not None:
            signature = read_signature(delta.extra_content)
            if signature is not None:
                events.append(TextSignature(signature, self._index))
        for call in delta.tool_calls or ():
            events += self._calls.feed(call)
        if delta.function_call:
            events += self._calls.feed(ChunkToolCall(index=0, function=delta.function_call))
        if delta.images is not None:
            events += self._images(delta.images)
        if delta.annotations is not None:
            events += self._citations(delta.annotations)
        if delta.audio is not None:
            self._hold_audio(delta.audio)

    def _pieces(self, pieces: Iterable[Piece]) -> Iterator[Event]:
        """Yield the events of pieces of a text with thinking in it."""
        for is_thinking, text in pieces:
            yield (ThinkingDelta if is_thinking else TextDelta)(text, self._index)

    def _release_text(self) -> Iterator[Event]:
        """Yield the text that was held back; what follows has no thinking in it."""
        tags, self._tags = self._tags, None
        return iter(()) if tags is None else self._pieces(tags.end())

    def _reasoning(self, delta: ChunkDelta) -> Iterator[Event]:
        """Yield the reasoning of a delta, which OpenRouter writes in two fields at once."""
        text = delta.reasoning_content or delta.reasoning
        if isinstance(text, str) and text:
            yield ThinkingDelta(text, self._index)
        for detail in _objects(delta.reasoning_details):
            piece = detail.get("text") or detail.get("summary")
            if not text and isinstance(piece, str) and piece:
                yield ThinkingDelta(piece, self._index)
            family = _family(detail.get("format"))
            signature, data = detail.get("signature"), detail.get("data")
            if isinstance(signature, str) and signature:
                yield ThinkingSignature(Signature(signature, family), self._index)
            if detail.get("type") == "reasoning.encrypted" and isinstance(data, str) and data:
                yield RedactedThinking(data, self._index, family)

    def _parts(self, content: Any) -> Iterator[Event]:
        """Yield the events of a content that is a list, as Mistral sends it."""
        for part in _objects(content):
            match part:
                case {"type": "text", "text": str(text)} if text:
                    yield TextDelta(text, self._index)
                case {"type": "thinking", "thinking": str(text)} if text:
                    yield ThinkingDelta(text, self._index)
                case {"type": "thinking", "thinking": list(inner)}:
                    for piece in _objects(inner):
                        if isinstance(piece.get("text"), str) and piece["text"]:
                            yield ThinkingDelta(piece["text"], self._index)
                case {"type": "image_url"}:
                    yield from self._images([part])

    def _images(self, images: Any) -> Iterator[Event]:
        for item in _objects(images):
            inner = item.get("image_url")
            url = inner.get("url") if isinstance(inner, dict) else inner
            if not isinstance(url, str) or not url:
                continue
            split = split_data_url(url)
            source: MediaSource = UrlSource(url) if split is None else InlineData(split[1])
            mime_type = split[0] if split else "image/png"
            yield MediaOutput(mime_type, source, choice=self._index)

    def _citations(self, annotations: Any) -> Iterator[Event]:
        for item in _objects(annotations):
            inner = item.get("url_citation")
            wire = inner if isinstance(inner, dict) else item
            url = wire.get("url")
            if not isinstance(url, str):
                continue
            start, end = wire.get("start_index"), wire.get("end_index")
            known = isinstance(start, int) and isinstance(end, int)
            citation = Citation(
                url,
                str(wire.get("title") or ""),
                str(wire.get("content") or ""),
                start if known else None,
                end if known else None,
            )
            yield CitationEvent(citation, self._index)

    def _hold_audio(self, audio: Any) -> None:
        """Keep audio, which arrives in many small pieces, until the end."""
        if not isinstance(audio, dict):
            return
        data, transcript = audio.get("data"), audio.get("transcript")
        if isinstance(data, str) and data:
            self.meaningful = True
            self._audio.append(data)
        if isinstance(transcript, str) and transcript:
            self.meaningful = True
            self._transcript.append(transcript)

    def _logprobs(self, logprobs: Any) -> Iterator[Event]:
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        tokens = [_token(entry) for entry in _objects(content)]
        known = [token for token in tokens if token is not None]
        if known:
            yield LogprobsDelta(known, self._index)


def _token(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return the entry of one token without ``null`` members, ``None`` if it is not valid."""
    known = {name: value for name, value in entry.items() if value is not None}
    if "token" not in known or "logprob" not in known:
        return None
    if "top_logprobs" in known:
        others = map(_token, _objects(known["top_logprobs"]))
        known["top_logprobs"] = [other for other in others if other is not None]
    return known


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in ``value``, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _family(wire_format: Any) -> str:
    """Return the model family in OpenRouter's name of a signature format."""
    for prefix, family in (("anthropic", "claude"), ("google", "gemini"), ("openai", "openai")):
        if isinstance(wire_format, str) and wire_format.startswith(prefix):
            return family
    return "other"
