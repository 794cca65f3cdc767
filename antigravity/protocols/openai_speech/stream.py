"""Writes sound as it comes: bare samples and WAV here, MP3 with a converter behind."""

from __future__ import annotations

import binascii

from zope.interface import implementer

from antigravity.interfaces.audio import IConverted, IConverter, IDeliberateEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import (
    EmptyAnswerError,
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
from antigravity.protocols.openai_shapes import error_event
from antigravity.protocols.openai_speech import events
from antigravity.protocols.openai_speech.mp3 import Mp3Writer
from antigravity.protocols.openai_speech.schema import TYPES, asked
from antigravity.protocols.stream_encoder import StreamEncoder

_SAID = 300


@implementer(IDeliberateEncoder, IConverted)
class SpeechStreamEncoder(StreamEncoder):
    """Writes one response; until it has audio, it has not begun.

    Audio for a converter is written as bare samples.
    """

    def __init__(self, context: ReplyContext) -> None:
        super().__init__(EventOrder(parallel_calls=True))
        wanted = asked(context.call)
        self._format = wanted.format
        self._events = wanted.events
        self.content_type = "text/event-stream" if wanted.events else TYPES[wanted.format]
        self._converted = False
        self.begun = False
        self.failure: GatewayError | None = None
        self.samples = Samples(b"")
        self._text: list[str] = []

    @property
    def in_events(self) -> bool:
        """Whether the sound comes in events."""
        return self._events

    @property
    def _framed(self) -> bool:
        """Whether events are written here, and not behind."""
        return self._events and not self._converted

    def converter(self) -> IConverter | None:
        """Return what makes MP3 of samples, if that is what is wanted."""
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
        """Return the samples in a piece of sound.

        :raises UpstreamError: if it holds none, or others than before.
        """
        if not isinstance(event.source, InlineData):
            raise UpstreamError("The upstream's sound lies where it cannot be fetched from.")
        try:
            samples = samples_of(event.mime_type, binascii.a2b_base64(event.source.data))
        except binascii.Error as error:
            raise UpstreamError("The upstream's sound is no base64.") from error
        if samples is None:
            raise UpstreamError(f"The upstream gave sound as {event.mime_type}, not as samples.")
        known = self.samples if self.begun else samples
        if (samples.rate, samples.channels) != (known.rate, known.channels):
            raise UpstreamError("The upstream's sound changes its rate on the way.")
        if self._format == "pcm" and (samples.rate, samples.channels) != (RATE, 1):
            raise UpstreamError(
                f"The upstream speaks at {samples.rate} Hz in {samples.channels} channel(s), and "
                f"pcm is {RATE} Hz in one; ask for wav or mp3."
            )
        return samples

    def _incomplete(self) -> GatewayError | None:
        """Return why the sound is not all that was asked for."""
        reason = (self.sequencer.finish_of() or Finish("stop")).reason
        words = "".join(self._text).strip()[:_SAID]
        more = f" It said: {words}" if words else ""
        if reason in ("content_filter", "refusal"):
            return InvalidRequestError(
                f"The model, or a filter of its provider, refused to speak this.{more}",
                param="input",
                code="content_filter",
            )
        if reason == "length":
            return InvalidRequestError(
                "The text is longer than the model can speak in one answer; cut it into pieces.",
                param="input",
                code="input_too_long",
            )
        if not self.begun:
            return EmptyAnswerError(f"The model answered without any sound; try again.{more}")
        return None


@implementer(IConverter)
class Mp3Converter:
    """Samples of one reply to MP3, and that into events where they are wanted."""

    def __init__(self, encoder: SpeechStreamEncoder) -> None:
        self._encoder = encoder
        self._writer = Mp3Writer()

    def convert(self, data: bytes) -> bytes:
        """Return the frames that ``data`` completes."""
        kind = self._encoder.samples
        return self._sent(self._writer.write(data, kind.rate, kind.channels))

    def finish(self) -> bytes:
        """Return the last frames."""
        rest = self._sent(self._writer.finish())
        return rest + events.done(self._encoder.usage) if self._encoder.in_events else rest

    def failed(self, error: GatewayError) -> bytes:
        """Return the event of the error; in bare sound there is no word for it."""
        return error_event(error) if self._encoder.in_events else b""

    def _sent(self, sound: bytes) -> bytes:
        return events.delta(sound) if self._encoder.in_events else sound
