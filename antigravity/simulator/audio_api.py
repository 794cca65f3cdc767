"""Recordings and speech at OpenAI's endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.web.server import Request

from antigravity.simulator.encoders import audio
from antigravity.simulator.errors import Headers, openai_error
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation.openai_audio import SOUNDS, check_recording, check_speech
from antigravity.simulator.wire_formats import Dialect

_TRANSCRIPT: Final = Dialect(
    "transcript", "", audio.transcript, audio.transcript_events, audio.error_events, openai_error
)
_EVENTS: Final = Dialect(
    "speech", "", audio.transcript, audio.speech_events, audio.error_events, openai_error
)
#: In bare sound there is no word for an error.
_SOUND: Final = replace(
    _EVENTS, events=audio.speech, framing=audio.bare, error_events=lambda *_: []
)
_TEXTS: Final = ("text", "srt", "vtt")


class AudioApi:
    """Answers requests about sound whose keys are good."""

    def __init__(self, exchange: Responder) -> None:
        self._exchange = exchange

    def hear(
        self, request: Request, body: dict[str, Any], key: str, headers: Headers, *, english: bool
    ) -> Result:
        """Answer with a transcript."""
        view = check_recording(body, english)
        dialect = _TRANSCRIPT
        if body.get("response_format") in _TEXTS:
            dialect = replace(dialect, whole_type="text/plain; charset=utf-8")
        return self._exchange.run(request, dialect, view, view.body["stream"], key, headers)

    def speak(self, request: Request, body: dict[str, Any], key: str, headers: Headers) -> Result:
        """Answer with sound."""
        view = check_speech(body)
        dialect = _EVENTS
        if body.get("stream_format") != "sse":
            kind = SOUNDS[body.get("response_format", "mp3")]
            dialect = replace(_SOUND, stream_type=kind)
        return self._exchange.run(request, dialect, view, True, key, headers)
