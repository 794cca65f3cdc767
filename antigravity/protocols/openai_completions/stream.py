"""Writes a streamed answer: text alone, in a legal order whatever comes in."""

from __future__ import annotations

from typing import Any

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RefusalDelta,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_completions.answer import (
    choice_object,
    echo_of,
    finish_reason,
    legacy_logprobs,
)
from antigravity.protocols.openai_completions.request import echoed
from antigravity.protocols.openai_shapes import completion_usage, error_object, media_as_text
from antigravity.sse import DONE, KEEPALIVE_COMMENT, encode_data

_json = msgspec.json.encode


class _Choice:
    """How far one choice is."""

    __slots__ = ("finished", "offset")

    def __init__(self) -> None:
        self.finished = False
        self.offset = 0  # of the next token that gets its log probability


@implementer(IStreamEncoder)
class CompletionStreamEncoder:
    """Encodes one streamed answer."""

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext) -> None:
        self._include_usage = context.request.include_usage
        self._echoes = echoed(context.call)
        self._choices: dict[int, _Choice] = {}
        self._usage = Usage()
        self._closed = False
        head = {
            "id": context.new_id("cmpl-"),
            "object": "text_completion",
            "created": context.created,
            "model": context.model,
        }
        self._head = b"data: " + _json(head)[:-1]
        self._tail = (b',"usage":null}' if self._include_usage else b"}") + b"\n\n"

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream."""
        if self._closed:
            return b""
        match event:
            case TextDelta() | RefusalDelta():
                return self._write(event.choice, event.text)
            case MediaOutput():
                text = event.transcript or media_as_text(event.mime_type, event.source)
                return self._write(event.choice, text)
            case LogprobsDelta():
                return self._logprobs(event)
            case Finish():
                return self._finish(event)
            case UsageUpdate():
                self._usage = event.usage
            case StreamFailure():
                return self._fail(event.error)
        return b""  # thoughts and calls have no place in this protocol

    def keepalive(self) -> bytes:
        """Return a comment, which every client skips."""
        return b"" if self._closed else KEEPALIVE_COMMENT

    def end(self) -> bytes:
        """Return the usage and ``[DONE]``, or an error where a choice has no end."""
        if self._closed:
            return b""
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            message = "The upstream broke off before the answer was complete."
            return self._fail(UpstreamError(message))
        self._closed = True
        if not self._include_usage:
            return DONE
        usage = _json({"choices": [], "usage": completion_usage(self._usage)})
        return self._head + b"," + usage[1:] + b"\n\n" + DONE

    def _fail(self, error: GatewayError) -> bytes:
        self._closed = True
        return encode_data(_json({"error": error_object(error)})) + DONE

    def _opened(self, index: int) -> tuple[_Choice, bytes]:
        """Return a choice, and the echo that it begins with when it is new."""
        choice = self._choices.get(index)
        if choice is not None:
            return choice, b""
        choice = self._choices[index] = _Choice()
        echo = echo_of(self._echoes, index)
        choice.offset = len(echo)
        return choice, self._chunk(choice_object(index, echo)) if echo else b""

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return b'%b,"choices":[%b]%b' % (self._head, _json(choice), self._tail)

    def _write(self, index: int, text: str) -> bytes:
        choice, opening = self._opened(index)
        return b"" if choice.finished else opening + self._chunk(choice_object(index, text))

    def _logprobs(self, event: LogprobsDelta) -> bytes:
        choice, opening = self._opened(event.choice)
        if choice.finished:
            return b""
        logprobs = legacy_logprobs(event.content, choice.offset)
        choice.offset += sum(map(len, logprobs["tokens"]))
        return opening + self._chunk(choice_object(event.choice, "", None, logprobs))

    def _finish(self, event: Finish) -> bytes:
        choice, opening = self._opened(event.choice)
        if choice.finished:
            return b""
        choice.finished = True
        reason = finish_reason(event.reason)
        return opening + self._chunk(choice_object(event.choice, "", reason))
