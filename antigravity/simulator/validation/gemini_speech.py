"""Checks of audio in requests to the Gemini API; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import refuse
from antigravity.simulator.speech import VOICES, is_speech_model
from antigravity.simulator.validation.gemini_models import version
from antigravity.simulator.view import name_set

_SOUNDS: Final = name_set(
    """audio/aac audio/aiff audio/flac audio/m4a audio/mp3 audio/mp4 audio/mpeg audio/mpga audio/ogg
    audio/opus audio/pcm audio/wav audio/webm"""
)


def check_sound(model: str, body: dict[str, Any]) -> None:
    """Refuse unsupported audio, and invalid requests for speech.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    parts = [part for content in body["contents"] for part in content["parts"]]
    for part in parts:
        kind = str((part.get("inlineData") or {}).get("mimeType", ""))
        if kind.startswith("audio/") and kind.partition(";")[0] not in _SOUNDS:
            refuse(f"Unsupported MIME type: {kind}")
    config = body.get("generationConfig") or {}
    modalities = [str(name).upper() for name in config.get("responseModalities") or ()]
    if not is_speech_model(model):
        if "AUDIO" in modalities:
            refuse("Model does not support the requested response modalities: audio")
        return
    _check_speech(model, body, config, modalities)
    styled = any("speechMetadata" in part for part in parts)
    if styled and version(model) < (3, 8):
        refuse(f"Speech metadata is not enabled for models/{model}")


def _check_speech(
    model: str, body: dict[str, Any], config: dict[str, Any], modalities: list[str]
) -> None:
    if modalities != ["AUDIO"]:
        refuse(
            "The requested combination of response modalities "
            f"({', '.join(modalities) or 'TEXT'}) is not supported by the model. "
            f"models/{model} accepts the following combination of "
            "response modalities:\n* AUDIO\n"
        )
    if body.get("systemInstruction"):
        refuse(f"Developer instruction is not enabled for models/{model}")
    if body.get("tools"):
        refuse(f"Tool use is not supported by models/{model}")
    if config.get("responseMimeType", "text/plain") != "text/plain":
        refuse(f"JSON mode is not enabled for models/{model}")
    voice = (config.get("speechConfig") or {}).get("voiceConfig") or {}
    name = (voice.get("prebuiltVoiceConfig") or {}).get("voiceName")
    if name is not None and name not in VOICES:
        allowed = ", ".join(sorted(VOICES)).lower()
        refuse(f"Voice name {name} is not supported. Allowed voice names are: {allowed}")
