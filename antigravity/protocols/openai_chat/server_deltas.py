"""Encodes events as deltas, which streams send and whole completions join."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import (
    CitationEvent,
    Finish,
    FinishReason,
    LogprobsDelta,
    MediaOutput,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.media import InlineData, MediaSource, UrlSource, data_url, kind_of
from antigravity.ir.parts import Citation
from antigravity.protocols.event_sequencer import ChoiceStart, OrderedEvent
from antigravity.protocols.json_body import load_object
from antigravity.protocols.openai_chat.extra_content import write_signature
from antigravity.protocols.openai_chat.flat_tools import is_flat_custom_tool
from antigravity.protocols.openai_chunks import FINISH_REASONS
from antigravity.protocols.openai_shapes import media_as_text

JsonObject = dict[str, Any]


class _Call:
    """A tool call that is being written."""

    __slots__ = ("custom", "empty", "index")

    def __init__(self, index: int, *, custom: bool) -> None:
        self.index = index
        self.custom = custom
        self.empty = True


class ChoiceDeltas:
    """Encoder of one choice; it needs events in the order of ``EventSequencer``.

    :ivar length: characters of text so far.
    """

    def __init__(self, context: ReplyContext, index: int, *, legacy: bool) -> None:
        self._context = context
        self._index = index
        self._legacy = legacy
        self._calls: dict[int, _Call] = {}
        self._refused = False
        self._annotations = 0
        self._images = 0
        self._audio: str | None = None
        self.length = 0

    def of(self, event: OrderedEvent) -> JsonObject | None:
        """Return the choice of a chunk, ``None`` if the protocol has none for the event.

        It has none for thought signatures and web searches.
        """
        delta: JsonObject | None = {}
        finish = logprobs = None
        write = _WRITERS.get(type(event))
        if write is not None:
            delta = write(self, event)
        elif isinstance(event, Finish):
            finish = self._finish_reason(event.reason)
        elif isinstance(event, LogprobsDelta):
            entries = [_logprob(entry) for entry in event.content]
            logprobs = {"content": entries, "refusal": None}
        else:
            return None
        if delta is None:
            return None
        return {
            "index": self._index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish,
        }

    def _finish_reason(self, reason: FinishReason) -> str:
        """Return OpenAI's finish reason.

        A stop with calls becomes ``tool_calls``, and ``tool_calls`` without calls becomes ``stop``,
        because agents would wait for the calls.
        """
        if reason == "refusal" and self._refused:
            return "stop"
        native = FINISH_REASONS[reason]
        if native in ("stop", "tool_calls"):
            if not self._calls:
                return "stop"
            return "function_call" if self._legacy else "tool_calls"
        return native

    def _start(self, event: ChoiceStart) -> JsonObject:
        return {"role": "assistant", "content": ""}

    def _text_delta(self, event: TextDelta) -> JsonObject:
        return self._text(event.text)

    def _text(self, text: str) -> JsonObject:
        self.length += len(text)
        return {"content": text}

    def _thinking(self, event: ThinkingDelta) -> JsonObject:
        return {"reasoning_content": event.text}

    def _refusal(self, event: RefusalDelta) -> JsonObject:
        self._refused = True
        return {"refusal": event.text}

    def _call_start(self, event: ToolCallStart) -> JsonObject | None:
        if self._legacy and self._calls:
            return None
        kind = event.kind
        if kind == "custom" and is_flat_custom_tool(self._context.call, event.name):
            kind = "function"  # Cursor reads the text from the arguments of a function
        call = _Call(len(self._calls), custom=kind == "custom")
        self._calls[event.call] = call
        if self._legacy:
            return {"function_call": {"name": event.name, "arguments": ""}}
        text = "input" if call.custom else "arguments"
        item: JsonObject = {
            "index": call.index,
            "id": event.id,
            "type": kind,
            kind: {"name": event.name, text: ""},
        }
        if event.signature is not None:
            item["extra_content"] = write_signature(event.signature)
        return {"tool_calls": [item]}

    def _call_delta(self, event: ToolCallDelta) -> JsonObject | None:
        call = self._calls.get(event.call)
        return self._arguments(call, event.arguments) if call and event.arguments else None

    def _call_end(self, event: ToolCallEnd) -> JsonObject | None:
        """Return an empty object for a call without arguments, because clients parse them."""
        call = self._calls.get(event.call)
        return self._arguments(call, "{}") if call and call.empty and not call.custom else None

    def _arguments(self, call: _Call, text: str) -> JsonObject:
        call.empty = False
        if self._legacy:
            return {"function_call": {"arguments": text}}
        piece = {"custom": {"input": text}} if call.custom else {"function": {"arguments": text}}
        return {"tool_calls": [{"index": call.index, **piece}]}

    def _media(self, event: MediaOutput) -> JsonObject:
        kind = kind_of(event.mime_type)
        if kind == "audio" and isinstance(event.source, InlineData):
            return {"audio": self._audio_piece(event, event.source.data)}
        item = _image(event.mime_type, event.source) if kind == "image" else None
        if item is None:
            return self._text(event.transcript or media_as_text(event.mime_type, event.source))
        item["index"] = self._images
        self._images += 1
        return {"images": [item]}

    def _audio_piece(self, event: MediaOutput, data: str) -> JsonObject:
        audio: JsonObject = {"data": data}
        if event.transcript is not None:
            audio["transcript"] = event.transcript
        if self._audio is None:  # once: clients concatenate repeated members
            self._audio = self._context.new_id("audio_")
            audio = {"id": self._audio, **audio, "expires_at": self._context.created}
        return audio

    def _citation(self, event: CitationEvent) -> JsonObject:
        item = {"index": self._annotations, **_annotation(event.citation, self.length)}
        self._annotations += 1
        return {"annotations": [item]}


_WRITERS: Final[dict[type, Callable[[ChoiceDeltas, Any], JsonObject | None]]] = {
    ChoiceStart: ChoiceDeltas._start,
    TextDelta: ChoiceDeltas._text_delta,
    ThinkingDelta: ChoiceDeltas._thinking,
    RefusalDelta: ChoiceDeltas._refusal,
    ToolCallStart: ChoiceDeltas._call_start,
    ToolCallDelta: ChoiceDeltas._call_delta,
    ToolCallEnd: ChoiceDeltas._call_end,
    MediaOutput: ChoiceDeltas._media,
    CitationEvent: ChoiceDeltas._citation,
}


def is_legacy(context: ReplyContext) -> bool:
    """Return whether the client uses the legacy ``functions``, and expects ``function_call``."""
    body = context.call.body
    if b'"functions"' not in body:
        return False
    fields = load_object(body)
    return bool(fields.get("functions")) and not fields.get("tools")


def _annotation(citation: Citation, position: int) -> JsonObject:
    """Return the annotation for a citation, at ``position`` if its own is not known."""
    known = citation.start is not None and citation.end is not None
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title,
            "start_index": citation.start if known else position,
            "end_index": citation.end if known else position,
        },
    }


def _image(mime_type: str, source: MediaSource) -> JsonObject | None:
    """Return an image in the format of OpenRouter and other compatible servers."""
    match source:
        case InlineData(data=data):
            url = data_url(mime_type, data)
        case UrlSource(url=url):
            pass
        case _:
            return None
    return {"type": "image_url", "image_url": {"url": url}}


def _logprob(entry: JsonObject) -> JsonObject:
    """Return a log probability with all the fields that clients require."""
    return {"bytes": None, "top_logprobs": [], **entry}
