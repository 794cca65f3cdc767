"""Writes a streamed answer: events in, chunks out, in a legal order whatever comes in.

Each choice goes ``new`` (nothing written) → ``open`` (its role is written) → ``finished``
(its reason is written, once).  The stream itself ends once: with the usage, if it was
asked for, and ``[DONE]``; or with an error and ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Callable
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
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.extra_content import write_signature
from antigravity.protocols.openai_chat.server_answer import (
    Told,
    annotation,
    finish_reason,
    image,
    is_legacy,
    token_logprobs,
)
from antigravity.protocols.openai_shapes import completion_usage, error_object, media_as_text
from antigravity.sse import DONE, KEEPALIVE_COMMENT, encode_data

_json = msgspec.json.encode


class _Call:
    """A tool call that is being written."""

    __slots__ = ("custom", "empty", "index", "open")

    def __init__(self, index: int, *, custom: bool) -> None:
        self.index = index
        self.custom = custom
        self.empty = True
        self.open = True


class _Choice:
    """How far one choice is."""

    __slots__ = ("annotations", "audio", "calls", "finished", "images", "length", "refused")

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self.finished = False
        self.refused = False
        self.length = 0  # of the text so far, in characters
        self.annotations = 0
        self.images = 0
        self.audio: str | None = None


@implementer(IStreamEncoder)
class ChatStreamEncoder:
    """Encodes one streamed answer."""

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._include_usage = context.request.include_usage
        self._wanted = context.request.sampling.n
        self._legacy = is_legacy(context)
        self._choices: dict[int, _Choice] = {}
        self._usage = Usage()
        self._closed = False
        head = {
            "id": context.new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": context.created,
            "model": context.model,
        }
        self._head = b"data: " + _json(head)[:-1]
        self._tail = (b',"usage":null}' if self._include_usage else b"}") + b"\n\n"
        # Nearly all chunks are text of the first choice, so their frame is made once.
        before = self._head + b',"choices":[{"index":0,"delta":{"%b":'
        self._text_before = before % b"content"
        self._thinking_before = before % b"reasoning_content"
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream."""
        if self._closed:
            return b""
        match event:
            case ResponseStart():
                return self._opened(0)
            case UsageUpdate():
                self._usage = event.usage
                return b""
            case StreamFailure():
                return self._fail(event.error)
            case _:
                return self._of_choice(event)

    def keepalive(self) -> bytes:
        """Return a comment, which every client skips."""
        return b"" if self._closed else KEEPALIVE_COMMENT

    def end(self) -> bytes:
        """Return the usage and ``[DONE]``, or an error where a choice has no end."""
        if self._closed:
            return b""
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            return self._fail(
                UpstreamError("The upstream broke off before the answer was complete.")
            )
        self._closed = True
        if not self._include_usage:
            return DONE
        usage = _json({"choices": [], "usage": completion_usage(self._usage)})
        return self._head + b"," + usage[1:] + b"\n\n" + DONE

    def _fail(self, error: GatewayError) -> bytes:
        self._closed = True
        return encode_data(_json({"error": error_object(error)})) + DONE

    def _of_choice(self, event: _ChoiceEvent) -> bytes:
        choice = self._choices.get(event.choice)
        if event.choice >= self._wanted or (choice is not None and choice.finished):
            return b""
        if isinstance(event, TextDelta) and choice is not None and event.choice == 0:
            choice.length += len(event.text)
            return self._text_before + _json(event.text) + self._after
        write = _WRITERS.get(type(event))
        if write is None:  # thought signatures and searches have no place in this protocol
            return b""
        opening = self._opened(event.choice)
        return opening + write(self, self._choices[event.choice], event)

    def _opened(self, index: int) -> bytes:
        """Make sure that a choice is open; return what that writes.

        The SDK keeps choices in a list and fails on one that comes before a lower one.
        """
        wire = b""
        for number in range(len(self._choices), index + 1):
            self._choices[number] = _Choice()
            wire += self._chunk(number, {"role": "assistant", "content": ""})
        return wire

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: list[dict[str, Any]] | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None if logprobs is None else {"content": logprobs, "refusal": None},
            "finish_reason": finish,
        }
        return b'%b,"choices":[%b]%b' % (self._head, _json(choice), self._tail)

    def _text(self, choice: _Choice, event: TextDelta) -> bytes:
        choice.length += len(event.text)
        return self._chunk(event.choice, {"content": event.text})

    def _thinking(self, choice: _Choice, event: ThinkingDelta) -> bytes:
        if event.choice == 0:
            return self._thinking_before + _json(event.text) + self._after
        return self._chunk(event.choice, {"reasoning_content": event.text})

    def _refusal(self, choice: _Choice, event: RefusalDelta) -> bytes:
        choice.refused = True
        return self._chunk(event.choice, {"refusal": event.text})

    def _call_start(self, choice: _Choice, event: ToolCallStart) -> bytes:
        if event.call in choice.calls or (self._legacy and choice.calls):
            return b""
        call = _Call(len(choice.calls), custom=event.kind == "custom")
        choice.calls[event.call] = call
        if self._legacy:
            return self._chunk(
                event.choice, {"function_call": {"name": event.name, "arguments": ""}}
            )
        text = "input" if call.custom else "arguments"
        item: dict[str, Any] = {
            "index": call.index,
            "id": event.id,
            "type": event.kind,
            event.kind: {"name": event.name, text: ""},
        }
        if event.signature is not None:
            item["extra_content"] = write_signature(event.signature)
        return self._chunk(event.choice, {"tool_calls": [item]})

    def _call_delta(self, choice: _Choice, event: ToolCallDelta) -> bytes:
        call = choice.calls.get(event.call)
        if call is None or not call.open or not event.arguments:
            return b""
        return self._arguments(event.choice, call, event.arguments)

    def _arguments(self, index: int, call: _Call, text: str) -> bytes:
        call.empty = False
        if self._legacy:
            return self._chunk(index, {"function_call": {"arguments": text}})
        piece = {"custom": {"input": text}} if call.custom else {"function": {"arguments": text}}
        return self._chunk(index, {"tool_calls": [{"index": call.index, **piece}]})

    def _call_end(self, choice: _Choice, event: ToolCallEnd) -> bytes:
        call = choice.calls.get(event.call)
        return b"" if call is None else self._complete(event.choice, call)

    def _complete(self, index: int, call: _Call) -> bytes:
        """Close a call; one without arguments gets an empty object, for clients parse them."""
        if not call.open:
            return b""
        call.open = False
        if call.empty and not call.custom:
            return self._arguments(index, call, "{}")
        return b""

    def _media(self, choice: _Choice, event: MediaOutput) -> bytes:
        kind = kind_of(event.mime_type)
        if kind == "audio" and isinstance(event.source, InlineData):
            return self._audio(choice, event, event.source.data)
        item = image(event.mime_type, event.source) if kind == "image" else None
        if item is None:
            text = event.transcript or media_as_text(event.mime_type, event.source)
            return self._text(choice, TextDelta(text, event.choice))
        item["index"] = choice.images
        choice.images += 1
        return self._chunk(event.choice, {"images": [item]})

    def _audio(self, choice: _Choice, event: MediaOutput, data: str) -> bytes:
        audio: dict[str, Any] = {"data": data}
        if event.transcript is not None:
            audio["transcript"] = event.transcript
        if choice.audio is None:  # clients join what they get twice
            choice.audio = self._context.new_id("audio_")
            audio = {"id": choice.audio, **audio, "expires_at": self._context.created}
        return self._chunk(event.choice, {"audio": audio})

    def _citation(self, choice: _Choice, event: CitationEvent) -> bytes:
        item = {"index": choice.annotations, **annotation(event.citation, choice.length)}
        choice.annotations += 1
        return self._chunk(event.choice, {"annotations": [item]})

    def _logprobs(self, choice: _Choice, event: LogprobsDelta) -> bytes:
        return self._chunk(event.choice, {}, logprobs=token_logprobs(event.content))

    def _finish(self, choice: _Choice, event: Finish) -> bytes:
        choice.finished = True
        rest = b"".join(self._complete(event.choice, call) for call in choice.calls.values())
        told = Told(bool(choice.calls), choice.refused, self._legacy)
        return rest + self._chunk(event.choice, {}, finish=finish_reason(event.reason, told))


_ChoiceEvent = (
    TextDelta
    | TextSignature
    | ThinkingDelta
    | ThinkingSignature
    | RedactedThinking
    | RefusalDelta
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | MediaOutput
    | WebSearchEvent
    | CitationEvent
    | LogprobsDelta
    | Finish
)

_Writer = Callable[[ChatStreamEncoder, _Choice, Any], bytes]

_WRITERS: dict[type, _Writer] = {
    TextDelta: ChatStreamEncoder._text,
    ThinkingDelta: ChatStreamEncoder._thinking,
    RefusalDelta: ChatStreamEncoder._refusal,
    ToolCallStart: ChatStreamEncoder._call_start,
    ToolCallDelta: ChatStreamEncoder._call_delta,
    ToolCallEnd: ChatStreamEncoder._call_end,
    MediaOutput: ChatStreamEncoder._media,
    CitationEvent: ChatStreamEncoder._citation,
    LogprobsDelta: ChatStreamEncoder._logprobs,
    Finish: ChatStreamEncoder._finish,
}
