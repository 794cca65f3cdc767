"""Writes streams: text as it comes, and at the end the whole of it."""

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
    RefusalDelta,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_shapes import error_object
from antigravity.protocols.openai_transcriptions.answer import (
    logprob_fields,
    speaker_segment,
    spoken,
    token_fields,
    unfinished,
)
from antigravity.protocols.openai_transcriptions.instruction import SILENCE
from antigravity.protocols.openai_transcriptions.reading import asked
from antigravity.protocols.openai_transcriptions.request import length_of
from antigravity.protocols.openai_transcriptions.segments import parse
from antigravity.sse import KEEPALIVE_COMMENT, encode_data, encode_event


@implementer(IStreamEncoder)
class TranscriptStreamEncoder:
    """Writes the events of one reply.

    Text is held back while it may be the model's word for silence.  Of segments with speakers
    none is written before all have come: they are put right together.
    """

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext) -> None:
        self._told = asked(context.call)
        self._seconds = length_of(context.call)
        self._text: list[str] = []
        self._held = ""
        self._open = False
        self._refusal: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._usage = Usage()
        self._finish: Finish | None = None
        self._over = False

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream."""
        if self._over:
            return b""
        match event:
            case TextDelta():
                return self._said(event.text)
            case RefusalDelta():
                self._refusal.append(event.text)
            case LogprobsDelta():
                self._logprobs += logprob_fields(event.content)
            case UsageUpdate():
                self._usage = event.usage
            case Finish():
                self._finish = event
            case StreamFailure():
                return self._fail(event.error)
        return b""

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b"" if self._over else KEEPALIVE_COMMENT

    def end(self) -> bytes:
        """Return the whole transcript, or an error if it is not whole."""
        if self._over:
            return b""
        failure: GatewayError | None
        if self._finish is None:
            failure = UpstreamError("The upstream broke off before the transcript was complete.")
        else:
            failure = unfinished(self._finish.reason, "".join(self._refusal))
        if failure is not None:
            return self._fail(failure)
        try:
            return self._done()
        except UpstreamError as error:
            return self._fail(error)

    def _said(self, text: str) -> bytes:
        self._text.append(text)
        if self._told.timed:
            return b""
        if self._open:
            return _delta(text)
        self._held = (self._held + text).lstrip()
        if not self._held or (SILENCE + ".").startswith(self._held):
            return b""
        self._open = True
        return _delta(self._held)

    def _done(self) -> bytes:
        out = b""
        whole = "".join(self._text)
        if self._told.timed:
            transcript = parse(whole, self._seconds)
            whole = transcript.text
            for number, segment in enumerate(transcript.segments):
                out += _event(speaker_segment(number, segment))
        else:
            whole = spoken(whole)
            if whole and not self._open:
                out = _delta(self._held)
        self._over = True
        done: dict[str, Any] = {
            "type": "transcript.text.done",
            "text": whole,
            "usage": token_fields(self._usage),
        }
        if self._logprobs:
            done["logprobs"] = self._logprobs
        return out + _event(done)

    def _fail(self, error: GatewayError) -> bytes:
        self._over = True
        body = {"type": "error", "error": error_object(error)}
        return encode_event(b"error", msgspec.json.encode(body))


def _delta(text: str) -> bytes:
    return _event({"type": "transcript.text.delta", "delta": text})


def _event(value: dict[str, Any]) -> bytes:
    return encode_data(msgspec.json.encode(value))
