"""A whole answer becomes the events that it is the fold of, so that it is encoded as one."""

from __future__ import annotations

from collections.abc import Iterator

from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
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
from antigravity.ir.parts import Media, Part, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import Choice, Response


def unfold(response: Response) -> Iterator[Event]:
    """Give the events of a response's first choice; the protocol has no others."""
    yield ResponseStart(response.id, response.model)
    yield UsageUpdate(response.usage)
    if response.choices:
        yield from _choice(response.choices[0])


def _choice(choice: Choice) -> Iterator[Event]:
    logprobs = choice.logprobs
    transcripts = iter(choice.transcripts)
    for number, part in enumerate(choice.parts):
        yield from _part(number, part, transcripts)
        if logprobs and isinstance(part, Text):
            yield LogprobsDelta(list(logprobs))
            logprobs = None
    if choice.refusal:
        yield RefusalDelta(choice.refusal)
    yield Finish(choice.finish, choice.stop_sequence, choice.native_finish)


def _part(number: int, part: Part, transcripts: Iterator[str]) -> Iterator[Event]:
    match part:
        case Text():
            yield TextDelta(part.text)
            yield from map(CitationEvent, part.citations)
            if part.signature is not None:
                yield TextSignature(part.signature)
        case Thinking(redacted=str(data)):
            yield RedactedThinking(data, family=part.signature.family if part.signature else "")
        case Thinking():
            yield ThinkingDelta(part.text)
            if part.signature is not None:
                yield ThinkingSignature(part.signature)
        case ToolCall():
            yield ToolCallStart(
                number, part.id, part.name, part.kind, part.namespace, part.signature
            )
            yield ToolCallDelta(number, part.arguments)
            yield ToolCallEnd(number)
        case Media():
            transcript = next(transcripts, None) if part.kind == "audio" else None
            yield MediaOutput(part.mime_type, part.source, part.signature, transcript)
        case WebSearch():
            yield WebSearchEvent(part)
        case _:
            return
