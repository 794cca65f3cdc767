"""OpenAI's endpoints for transcription and speech."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.web.server import Request

from antigravity.simulator.encoders import audio
from antigravity.simulator.errors import Headers, openai_error
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation.openai_audio import MEDIA_TYPES, check_recording, check_speech
from antigravity.simulator.wire_formats import WireFormat

_TRANSCRIPT: Final = WireFormat(
    "transcript",
    "",
    audio.encode_transcript,
    audio.encode_transcript_events,
    audio.encode_error,
    openai_error,
)
_SPEECH_EVENTS: Final = WireFormat(
    "speech",
    "",
    audio.encode_transcript,
    audio.encode_speech_events,
    audio.encode_error,
    openai_error,
)
#: An audio stream cannot report an error.
_SPEECH_BYTES: Final = replace(
    _SPEECH_EVENTS,
    encode_events=audio.encode_speech,
    framing=audio.frame_bytes,
    encode_error=lambda *_: [],
)
_TEXTS: Final = ("text", "srt", "vtt")


class AudioApi:
    """Transcription and speech, after the API key was checked."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def transcribe(
        self, request: Request, body: dict[str, Any], key: str, headers: Headers, *, english: bool
    ) -> Result:
        """Respond with a transcript."""
        view = check_recording(body, english)
        wire_format = _TRANSCRIPT
        if body.get("response_format") in _TEXTS:
            wire_format = replace(wire_format, whole_type="text/plain; charset=utf-8")
        return self._responder.respond(
            request, wire_format, view, view.body["stream"], key, headers
        )

    def speak(self, request: Request, body: dict[str, Any], key: str, headers: Headers) -> Result:
        """Respond with speech."""
        view = check_speech(body)
        wire_format = _SPEECH_EVENTS
        if body.get("stream_format") != "sse":
            kind = MEDIA_TYPES[body.get("response_format", "mp3")]
            wire_format = replace(_SPEECH_BYTES, stream_type=kind)
        return self._responder.respond(request, wire_format, view, True, key, headers)
