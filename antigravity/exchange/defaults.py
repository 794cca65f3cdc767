"""What the operator says about endpoints for special things: models, and rules for sound."""

from __future__ import annotations

from antigravity.config.settings import Settings
from antigravity.interfaces.server_traits import RequiredModalities
from antigravity.ir.audio import AudioRules
from antigravity.ir.errors import InvalidRequestError


def default_model(required: RequiredModalities, settings: Settings) -> str:
    """Return the model of requests that name none.

    :raises InvalidRequestError: if requests of that kind have to name one.
    """
    if required.input == "audio":
        return settings.audio.transcription_model
    if required.output == "audio":
        return settings.audio.speech_model
    if required.output == "image":
        return settings.images.default_model
    raise InvalidRequestError("`model` is required.", param="model")


def audio_rules(settings: Settings) -> AudioRules:
    """Return the rules for recordings that go up inside of requests."""
    audio = settings.audio
    return AudioRules(audio.transcription_prompt, audio.max_inline_bytes)
