"""Translates settings of audio output for the target, and audio output for the client.

OpenAI's ``audio`` has a voice and a file format; Gemini's ``speechConfig`` has a voice, and its
output is raw samples.  Audio is not requested from a target that cannot return it.
See https://platform.openai.com/docs/guides/audio and https://ai.google.dev/gemini-api/docs/speech-generation.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Loss, Target, Traits
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.events import Event, Finish, MediaOutput
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.pcm import RATE, samples_of, wav_head
from antigravity.ir.request import Request

_AUDIO: Final = "audio"
#: The client protocols with audio output settings of OpenAI or Gemini, by family.
_FAMILIES: Final = {
    "openai_chat": "openai",
    "gemini": "gemini",
    "gemini_interactions": "gemini",
}
_FALLBACK_VOICE: Final = "alloy"
_RAW: Final = "pcm16"


def fit_audio_output(
    request: Request, traits: Traits, target: Target
) -> tuple[Request, tuple[Loss, ...], AudioFormat | None]:
    """Return the request with audio settings for the target, and the losses.

    The third item is the pass that converts the audio for the client, if one is needed.

    :raises InvalidRequestError: if only audio is requested, and the model cannot return any.
    """
    config = request.audio_config
    if request.speech is not None or (_AUDIO not in request.modalities and config is None):
        return request, (), None
    if not _produces_audio(request, traits, target.capabilities):
        return _without_audio(request, target)
    losses: list[Loss] = []
    family = _FAMILIES.get(request.protocol, "")
    form = _form(config or {}, losses) if family == "openai" else None
    if traits.family == "openai":
        fields = dict(config or {}) if family == "openai" else _to_openai(config, target, losses)
        fields["format"] = _RAW  # a stream can have no other
        modalities: tuple[str, ...] = ("text", _AUDIO)
        form = form if family == "openai" else AudioFormat(wav=False)
    else:
        fields = dict(config or {}) if family == "gemini" else _to_gemini(config, target, losses)
        only = target.capabilities.outputs == (_AUDIO,)
        modalities = (_AUDIO,) if only or family != "gemini" else request.modalities
    return (
        replace(request, audio_config=fields or None, modalities=modalities),
        tuple(losses),
        form,
    )


def _produces_audio(request: Request, traits: Traits, capabilities: Capabilities) -> bool:
    """Return whether the target produces audio.

    An unknown model is assumed to, if the request is in its own protocol, or asks for audio only.
    """
    if _AUDIO not in traits.outputs or traits.family not in _FAMILIES.values():
        return False
    if capabilities.family == "other":
        sole = request.modalities == (_AUDIO,)
        return sole or _FAMILIES.get(request.protocol) == traits.family
    return _AUDIO in capabilities.outputs


def _without_audio(request: Request, target: Target) -> tuple[Request, tuple[Loss, ...], None]:
    others = tuple(kind for kind in request.modalities if kind != _AUDIO)
    if request.modalities and not others:
        raise InvalidRequestError(
            f"{target.model} cannot return audio. Request text, or choose a model with audio "
            "output.",
            param="modalities",
            code="model_not_supported",
        )
    requested = _AUDIO in request.modalities
    detail = "dropped: the model cannot return audio; it returns text"
    loss = Loss("modalities" if requested else "audio_config", detail, content=requested)
    modalities = () if others == ("text",) else others
    return replace(request, audio_config=None, modalities=modalities), (loss,), None


def _form(config: dict[str, Any], losses: list[Loss]) -> AudioFormat | None:
    """Return the pass for the audio format of an OpenAI request."""
    name = config.get("format", "wav")
    if name == _RAW:
        return None
    if name != "wav":
        losses.append(Loss("audio.format", "sent as WAV: the model returns raw samples"))
    return AudioFormat(wav=True)


def _to_gemini(config: dict[str, Any] | None, target: Target, losses: list[Loss]) -> dict[str, Any]:
    """Return OpenAI's ``audio`` as a ``speechConfig``."""
    voice_name = (config or {}).get("voice")
    if not isinstance(voice_name, str) or not voice_name:
        if voice_name:
            losses.append(Loss("audio.voice", "dropped: the model has no custom voices"))
        return {}
    capabilities = target.capabilities
    own = {name.lower(): name for name in capabilities.voices}
    others = {name.lower(): voice for name, voice in capabilities.voice_names.items()}
    voice = own.get(voice_name.lower()) or others.get(voice_name.lower())
    if voice is None:
        losses.append(
            Loss("audio.voice", "dropped: the model has no such voice and uses its default")
        )
        return {}
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}


def _to_openai(config: dict[str, Any] | None, target: Target, losses: list[Loss]) -> dict[str, Any]:
    """Return Gemini's ``speechConfig`` as ``audio``."""
    config = config or {}
    named = _object(config.get("voiceConfig") or config.get("voice_config"))
    built = _object(named.get("prebuiltVoiceConfig") or named.get("prebuilt_voice_config"))
    voice_name = str(built.get("voiceName") or built.get("voice_name") or "").lower()
    own = {name.lower(): name for name in target.capabilities.voices}
    first = next(iter(target.capabilities.voices), _FALLBACK_VOICE)
    if voice_name and voice_name not in own:
        losses.append(Loss("audio.voice", "replaced: the model has no such voice"))
    more = set(config) - {"voiceConfig", "voice_config"}
    if more:
        losses.append(Loss("audio_config", "dropped: only one voice can be chosen"))
    return {"voice": own.get(voice_name, first)}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class AudioFormat:
    """Converts audio to the client's format: a WAV file, or Gemini's raw samples.

    A file is sent as a whole, since its header has its length.
    """

    handles: tuple[type[Any], ...] = (MediaOutput, Finish)

    def __init__(self, *, wav: bool) -> None:
        self._wav = wav
        self._held: dict[int, list[MediaOutput]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        if isinstance(event, MediaOutput):
            if kind_of(event.mime_type) != _AUDIO or not isinstance(event.source, InlineData):
                return (event,)
            if not self._wav:
                return (_labelled(event),)
            self._held.setdefault(event.choice, []).append(event)
            return ()
        if isinstance(event, Finish) and event.choice in self._held:
            return (_as_wav(self._held.pop(event.choice)), event)
        return (event,)

    def close(self) -> Sequence[Event]:
        """Return the audio of choices that have not ended."""
        held, self._held = self._held, {}
        return [_as_wav(pieces) for pieces in held.values()]


def _labelled(event: MediaOutput) -> MediaOutput:
    """Return bare samples under the name that Gemini has for them."""
    if event.mime_type.partition(";")[0] != "audio/pcm":
        return event
    return replace(event, mime_type=f"audio/L16;codec=pcm;rate={RATE}")


def _as_wav(pieces: Sequence[MediaOutput]) -> MediaOutput:
    """Return pieces of audio as one WAV file; other formats stay as they are."""
    recordings = []
    for piece in pieces:
        assert isinstance(piece.source, InlineData)
        try:
            data = base64.b64decode(piece.source.data)
        except binascii.Error:
            return pieces[0]
        samples = samples_of(piece.mime_type, data)
        if samples is None:
            return pieces[0]
        recordings.append(samples)
    sound = b"".join(samples.data for samples in recordings)
    head = wav_head(recordings[0].rate, recordings[0].channels, len(sound))
    spoken = "".join(piece.transcript or "" for piece in pieces)
    source = InlineData(base64.b64encode(head + sound).decode())
    return replace(pieces[0], mime_type="audio/wav", source=source, transcript=spoken or None)
