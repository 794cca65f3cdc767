"""Encodes streamed speech: samples and WAV here, MP3 with a converter."""

from __future__ import annotations

import binascii

from zope.interface import implementer

from antigravity.interfaces.audio import IConverted, IConverter, IDeliberateEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import (
    EmptyResponseError,
    GatewayError,
    InvalidRequestError,
    UpstreamError,
)
from antigravity.ir.events import (
    Finish,
    MediaOutput,
    RefusalDelta,
    TextDelta,
)
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.pcm import RATE, Samples, samples_of, wav_head
from antigravity.protocols.event_sequencer import EventOrder, OrderedEvent
from antigravity.protocols.openai_shapes import error_event, model_text
from antigravity.protocols.openai_speech import events
from antigravity.protocols.openai_speech.mp3 import Mp3Writer
from antigravity.protocols.openai_speech.schema import TYPES, parse_call
from antigravity.protocols.stream_encoder import StreamEncoder


@implementer(IDeliberateEncoder, IConverted)
class SpeechStreamEncoder(StreamEncoder):
    """Encodes one response, which begins with the first audio.

    A converter gets bare samples.
    """

    def __init__(self, context: ReplyContext) -> None:
        super().__init__(EventOrder(parallel_calls=True))
        parsed = parse_call(context.call)
        self._format = parsed.format
        self._events = parsed.events
        self.content_type = "text/event-stream" if parsed.events else TYPES[parsed.format]
        self._converted = False
        self.begun = False
        self.failure: GatewayError | None = None
        self.samples = Samples(b"")
        self._text: list[str] = []

    @property
    def in_events(self) -> bool:
        """Whether the audio is sent in events."""
        return self._events

    @property
    def _framed(self) -> bool:
        """Whether events are encoded here, and not by the converter."""
        return self._events and not self._converted

    def converter(self) -> IConverter | None:
        """Return the converter to MP3, if the client wants MP3."""
        self._converted = self._format == "mp3"
        return Mp3Converter(self) if self._converted else None

    def write(self, event: OrderedEvent) -> bytes:
        """Return more audio."""
        match event:
            case MediaOutput() if kind_of(event.mime_type) == "audio":
                return self._audio(event)
            case TextDelta() | RefusalDelta():
                self._text.append(event.text)
        return b""

    def keepalive(self) -> bytes:
        """Return a comment, if the response consists of events."""
        return super().keepalive() if self._framed else b""

    def complete(self) -> bytes:
        """Return the end, or an error if the audio is not complete."""
        failure = self._incomplete()
        if failure is not None:
            return self.fail(failure)
        return events.done(self.usage) if self._framed else b""

    def fail(self, error: GatewayError) -> bytes:
        """Return an error, if the response consists of events."""
        self.failure = error
        return error_event(error) if self._framed else b""

    def _audio(self, event: MediaOutput) -> bytes:
        try:
            samples = self._samples(event)
        except UpstreamError as error:
            return self.abort(error)
        first, self.begun = not self.begun, True
        if first:
            self.samples = Samples(b"", samples.rate, samples.channels)
        data = samples.data
        if first and self._format == "wav":
            data = wav_head(samples.rate, samples.channels) + data
        return events.delta(data) if self._framed else data

    def _samples(self, event: MediaOutput) -> Samples:
        """Return the samples in a piece of audio.

        :raises UpstreamError: if it has none, or another rate or number of channels than before.
        """
        if not isinstance(event.source, InlineData):
            raise UpstreamError("The upstream sent a reference to audio, which cannot be fetched.")
        try:
            samples = samples_of(event.mime_type, binascii.a2b_base64(event.source.data))
        except binascii.Error as error:
            raise UpstreamError("The upstream sent audio that is not base64.") from error
        if samples is None:
            raise UpstreamError(f"The upstream sent audio as {event.mime_type}, not as samples.")
        known = self.samples if self.begun else samples
        if (samples.rate, samples.channels) != (known.rate, known.channels):
            raise UpstreamError(
                "The upstream changed the sample rate or channels within a response."
            )
        if self._format == "pcm" and (samples.rate, samples.channels) != (RATE, 1):
            raise UpstreamError(
                f"The upstream sends audio at {samples.rate} Hz in {samples.channels} channel(s), "
                f"but pcm is {RATE} Hz in one. Use wav or mp3."
            )
        return samples

    def _incomplete(self) -> GatewayError | None:
        """Return the error for incomplete audio, ``None`` if it is complete."""
        reason = (self.sequencer.finish_of() or Finish("stop")).reason
        more = model_text("".join(self._text))
        if reason in ("content_filter", "refusal"):
            return InvalidRequestError(
                f"The model, or a filter of its provider, refused to speak the text.{more}",
                param="input",
                code="content_filter",
            )
        if reason == "length":
            return InvalidRequestError(
                "The text is longer than the model can speak in one response. Send it in parts.",
                param="input",
                code="input_too_long",
            )
        if not self.begun:
            return EmptyResponseError(f"The model returned no audio; try again.{more}")
        return None


@implementer(IConverter)
class Mp3Converter:
    """Converts samples to MP3, in events if the client wants events."""

    def __init__(self, encoder: SpeechStreamEncoder) -> None:
        self._encoder = encoder
        self._writer = Mp3Writer()

    def convert(self, data: bytes) -> bytes:
        """Return the frames that ``data`` completes."""
        kind = self._encoder.samples
        return self._frame(self._writer.write(data, kind.rate, kind.channels))

    def finish(self) -> bytes:
        """Return the last frames."""
        rest = self._frame(self._writer.finish())
        return rest + events.done(self._encoder.usage) if self._encoder.in_events else rest

    def failed(self, error: GatewayError) -> bytes:
        """Return the event of the error; bare audio has none."""
        return error_event(error) if self._encoder.in_events else b""

    def _frame(self, audio: bytes) -> bytes:
        return events.delta(audio) if self._encoder.in_events else audio
