"""Encodes streamed transcripts: text as it arrives, and at the end the whole text."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import Finish, LogprobsDelta, RefusalDelta, TextDelta
from antigravity.protocols.event_sequencer import EventOrder, OrderedEvent
from antigravity.protocols.openai_shapes import error_event
from antigravity.protocols.openai_transcriptions.call_parser import parse_call
from antigravity.protocols.openai_transcriptions.fields import (
    incomplete_transcript,
    logprob_fields,
    speaker_segment,
    token_fields,
    transcript_text,
)
from antigravity.protocols.openai_transcriptions.instruction import SILENCE
from antigravity.protocols.openai_transcriptions.request import seconds_of
from antigravity.protocols.openai_transcriptions.segments import parse
from antigravity.protocols.stream_encoder import StreamEncoder
from antigravity.sse import encode_data


class TranscriptStreamEncoder(StreamEncoder):
    """Encodes the events of one response.

    Text waits as long as it can be the model's marker for silence.  Segments with speakers wait
    for the end, because they are corrected together.
    """

    def __init__(self, context: ReplyContext) -> None:
        super().__init__(EventOrder(parallel_calls=True))
        self._parsed = parse_call(context.call)
        self._seconds = seconds_of(context.call)
        self._text: list[str] = []
        self._held = ""
        self._open = False
        self._refusal: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def write(self, event: OrderedEvent) -> bytes:
        """Return the event of more text."""
        match event:
            case TextDelta():
                return self._add(event.text)
            case RefusalDelta():
                self._refusal.append(event.text)
            case LogprobsDelta():
                self._logprobs += logprob_fields(event.content)
        return b""

    def complete(self) -> bytes:
        """Return the whole transcript, or an error if it is not complete."""
        finish = self.sequencer.finish_of() or Finish("stop")
        failure = incomplete_transcript(finish.reason, "".join(self._refusal))
        if failure is not None:
            return self.fail(failure)
        try:
            return self._done()
        except UpstreamError as error:
            return self.fail(error)

    def fail(self, error: GatewayError) -> bytes:
        """Return an error."""
        return error_event(error)

    def _add(self, text: str) -> bytes:
        self._text.append(text)
        if self._parsed.timed:
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
        if self._parsed.timed:
            transcript = parse(whole, self._seconds)
            whole = transcript.text
            for number, segment in enumerate(transcript.segments):
                out += _event(speaker_segment(number, segment))
        else:
            whole = transcript_text(whole)
            if whole and not self._open:
                out = _delta(self._held)
        done: dict[str, Any] = {
            "type": "transcript.text.done",
            "text": whole,
            "usage": token_fields(self.usage),
        }
        if self._logprobs:
            done["logprobs"] = self._logprobs
        return out + _event(done)


def _delta(text: str) -> bytes:
    return _event({"type": "transcript.text.delta", "delta": text})


def _event(value: dict[str, Any]) -> bytes:
    return encode_data(msgspec.json.encode(value))
