"""Whole responses, and the conversion from and to events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    ChoiceEvent,
    CitationEvent,
    Event,
    Finish,
    FinishReason,
    LogprobsDelta,
    MediaOutput,
    OpaqueOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextPhase,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.media import kind_of
from antigravity.ir.parts import (
    Citation,
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    WebSearch,
)
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage


class Choice(Struct, frozen=True):
    """One choice of a response; ``parts`` are in the order of the events."""

    parts: tuple[Part, ...] = ()
    finish: FinishReason = "stop"
    stop_sequence: str | None = None
    native_finish: str | None = None
    refusal: str | None = None
    logprobs: tuple[dict[str, Any], ...] | None = None
    transcripts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All visible text, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class Response(Struct, frozen=True):
    """A response with all its choices, at least one.

    ``failures`` are the errors of choices that were requested separately and failed.
    """

    id: str = ""
    model: str = ""
    choices: tuple[Choice, ...] = (Choice(),)
    usage: Usage = Usage()
    failures: tuple[GatewayError, ...] = ()


class _OpenCall:
    """A tool call whose arguments are not complete yet."""

    __slots__ = ("arguments", "start")

    def __init__(self, start: ToolCallStart) -> None:
        self.start = start
        self.arguments: list[str] = []

    def part(self) -> ToolCall:
        start = self.start
        text = "".join(self.arguments)
        if not text and start.kind == "function":
            text = "{}"
        return ToolCall(
            id=start.id,
            name=start.name,
            arguments=text,
            kind=start.kind,
            namespace=start.namespace,
            signature=start.signature,
        )


class _OpenText:
    """A part of text or thinking that is not complete yet."""

    __slots__ = ("citations", "phase", "pieces", "signature", "thinking")

    def __init__(self, *, thinking: bool, phase: str | None = None) -> None:
        self.thinking = thinking
        self.phase = phase
        self.pieces: list[str] = []
        self.signature: Signature | None = None
        self.citations: list[Citation] = []

    def part(self) -> Part:
        text = "".join(self.pieces)
        if self.thinking:
            return Thinking(text, self.signature)
        return Text(text, tuple(self.citations), self.signature, phase=self.phase)


def _is_empty(part: Part) -> bool:
    return isinstance(part, Text) and part == Text("", phase=part.phase)


class _ChoiceFold:
    """Collects the events of one choice."""

    def __init__(self) -> None:
        self.slots: list[_OpenText | _OpenCall | Part] = []
        self.calls: dict[int, _OpenCall] = {}
        self.finish: Finish | None = None
        self.refusal: list[str] = []
        self.logprobs: list[dict[str, Any]] | None = None
        self.searches: dict[str, int] = {}
        self.transcripts: list[str] = []

    def run(self, *, thinking: bool) -> _OpenText:
        """Return the text or thinking that new deltas belong to; open one if necessary."""
        last = self.slots[-1] if self.slots else None
        if isinstance(last, _OpenText) and last.thinking is thinking:
            complete = thinking and last.signature is not None
            if not complete:
                return last
        opened = _OpenText(thinking=thinking)
        self.slots.append(opened)
        return opened

    def feed(self, event: Event) -> None:
        match event:
            case TextDelta():
                self.run(thinking=False).pieces.append(event.text)
            case ThinkingDelta():
                self.run(thinking=True).pieces.append(event.text)
            case ThinkingSignature():
                self.run(thinking=True).signature = event.signature
            case TextPhase():
                self.slots.append(_OpenText(thinking=False, phase=event.phase))
            case TextSignature():
                self.run(thinking=False).signature = event.signature
            case RedactedThinking():
                self.slots.append(
                    Thinking(signature=Signature("", event.family), redacted=event.data)
                )
            case RefusalDelta():
                self.refusal.append(event.text)
            case ToolCallStart():
                self.calls[event.call] = opened = _OpenCall(event)
                self.slots.append(opened)
            case ToolCallDelta():
                self.calls[event.call].arguments.append(event.arguments)
            case MediaOutput():
                self.slots.append(
                    Media(
                        kind_of(event.mime_type),
                        event.source,
                        event.mime_type,
                        signature=event.signature,
                    )
                )
                if event.transcript is not None:
                    self.transcripts.append(event.transcript)
            case WebSearchEvent():
                self.add_search(event.search)
            case OpaqueOutput():
                if event.complete:
                    self.slots.append(Opaque(event.protocol, event.kind, event.wire))
            case CitationEvent():
                self.run(thinking=False).citations.append(event.citation)
            case LogprobsDelta():
                if self.logprobs is None:
                    self.logprobs = []
                self.logprobs.extend(event.content)
            case Finish():
                self.finish = event
            case ToolCallEnd() | ResponseStart() | UsageUpdate() | StreamFailure():
                pass

    def add_search(self, search: WebSearch) -> None:
        """Add a search, or replace an earlier state of the same search."""
        place = self.searches.setdefault(search.id, len(self.slots))
        if place == len(self.slots):
            self.slots.append(search)
        else:
            self.slots[place] = search

    def choice(self) -> Choice:
        parts = (
            slot.part() if isinstance(slot, _OpenText | _OpenCall) else slot for slot in self.slots
        )
        finish = self.finish or Finish("stop")
        return Choice(
            parts=tuple(part for part in parts if not _is_empty(part)),
            finish=finish.reason,
            stop_sequence=finish.stop_sequence,
            native_finish=finish.native,
            refusal="".join(self.refusal) or None,
            logprobs=None if self.logprobs is None else tuple(self.logprobs),
            transcripts=tuple(self.transcripts),
        )


class ResponseFold:
    """Folds events to a :class:`Response`; feed it all, then ask for :meth:`response`."""

    def __init__(self) -> None:
        self._start = ResponseStart()
        self._usage = Usage()
        self._choices: dict[int, _ChoiceFold] = {}

    def feed(self, event: Event) -> None:
        """Take one event in.

        :raises GatewayError: the error of a :class:`StreamFailure`.
        """
        if type(event) is TextDelta:  # nearly all events are
            known = self._choices.get(event.choice)
            if known is not None:
                known.run(thinking=False).pieces.append(event.text)
                return
        match event:
            case ResponseStart():
                self._start = event
            case UsageUpdate():
                self._usage = event.usage
            case StreamFailure():
                raise event.error
            case _:
                fold = self._choices.get(event.choice)
                if fold is None:
                    fold = self._choices[event.choice] = _ChoiceFold()
                fold.feed(event)

    def response(self) -> Response:
        """Return the response so far."""
        choices = tuple(self._choices[index].choice() for index in sorted(self._choices))
        return Response(self._start.id, self._start.model, choices or (Choice(),), self._usage)


def fold(events: Iterable[Event]) -> Response:
    """Return the response that a finished sequence of events makes."""
    folding = ResponseFold()
    for event in events:
        folding.feed(event)
    return folding.response()


def unfold(choice: Choice, index: int = 0) -> Iterator[ChoiceEvent]:
    """Yield the events that fold to a choice, in a legal order; the last one is its ``Finish``."""
    logprobs = choice.logprobs
    transcripts = iter(choice.transcripts)
    for number, part in enumerate(choice.parts):
        yield from _unfold_part(part, number, index, transcripts)
        if logprobs is not None and isinstance(part, Text):
            yield LogprobsDelta(list(logprobs), index)
            logprobs = None
    if logprobs is not None:
        yield LogprobsDelta(list(logprobs), index)
    if choice.refusal:
        yield RefusalDelta(choice.refusal, index)
    yield Finish(choice.finish, choice.stop_sequence, choice.native_finish, index)


def _unfold_part(
    part: Part, number: int, index: int, transcripts: Iterator[str]
) -> Iterator[ChoiceEvent]:
    match part:
        case Text():
            if part.phase is not None:
                yield TextPhase(part.phase, index)
            yield TextDelta(part.text, index)
            for citation in part.citations:
                yield CitationEvent(citation, index)
            if part.signature is not None:
                yield TextSignature(part.signature, index)
        case Thinking(redacted=str(data)):
            family = part.signature.family if part.signature is not None else "claude"
            yield RedactedThinking(data, index, family)
        case Thinking():
            yield ThinkingDelta(part.text, index)
            if part.signature is not None:
                yield ThinkingSignature(part.signature, index)
        case ToolCall():
            start = (number, part.id, part.name, part.kind, part.namespace, part.signature, index)
            yield ToolCallStart(*start)
            yield ToolCallDelta(number, part.arguments, index)
            yield ToolCallEnd(number, index)
        case Media():
            audible = part.mime_type.startswith(("audio/", "video/"))
            transcript = next(transcripts, None) if audible else None
            yield MediaOutput(part.mime_type, part.source, part.signature, transcript, index)
        case WebSearch():
            yield WebSearchEvent(part, index)
        case Opaque():
            yield OpaqueOutput(part.protocol, part.kind, part.wire, choice=index)
        case _:
            pass
