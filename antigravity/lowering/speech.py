"""Fits speech options to the target: voice, speed and instructions."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.capabilities import Capabilities, Loss, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Part, Text
from antigravity.ir.request import Message, Request

_ALOUD: Final = (
    "Read aloud what the user writes, word for word. Add nothing, leave nothing out, and do not "
    "answer it."
)


def fit_speech(request: Request, target: Target) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with the speech options for the model, and the losses.

    :raises InvalidRequestError: for an unknown voice, naming the voices of the model.
    """
    wish, capabilities = request.speech, target.capabilities
    if wish is None:
        return request, ()
    losses: list[Loss] = []
    voice = _voice(wish.voice, capabilities, target.model, losses)
    manner = _instructions(wish, losses)
    if capabilities.family == "gemini":
        named = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        config: dict[str, Any] | None = named if voice else None
    else:
        config = {"voice": voice or "alloy", "format": "pcm16"}
    if "text" in capabilities.outputs:  # a model that talks: it would answer
        instructions = tuple(Text(each) for each in (_ALOUD, manner) if each)
        request = replace(
            request, system=(*request.system, *instructions), modalities=("text", "audio")
        )
        manner = ""
    elif manner and not capabilities.speech_manner:
        request = replace(request, messages=_with_instructions(request.messages, manner))
        manner = ""
    wish = SpeechOptions(voice, manner)
    return replace(request, speech=wish, audio_config=config), tuple(losses)


def _voice(name: str, capabilities: Capabilities, model: str, losses: list[Loss]) -> str:
    """Return the model's name of a voice; with an empty one the model chooses."""
    voices = capabilities.voices
    if not name or not voices:
        return name
    own = {name.lower(): name for name in voices}
    others = {name.lower(): name for name in capabilities.voice_names}
    if name.lower() in own:
        return own[name.lower()]
    if name.lower() in others:
        voice = capabilities.voice_names[others[name.lower()]]
        losses.append(Loss("voice", f"{name} was replaced by {voice}, a voice of {model}"))
        return voice
    named = ", ".join((*voices, *capabilities.voice_names))
    raise InvalidRequestError(
        f"{model} has no voice {name[:100]!r}. Choose one of: {named}.", param="voice"
    )


def _instructions(wish: SpeechOptions, losses: list[Loss]) -> str:
    """Return the instructions how to speak."""
    if wish.speed == 1.0:
        return wish.manner
    losses.append(Loss("speed", "sent as an instruction, which the model may follow inexactly"))
    pace = f"Speak at {wish.speed:g} times the usual pace."
    return f"{wish.manner.strip()} {pace}" if wish.manner.strip() else pace


def _with_instructions(messages: tuple[Message, ...], manner: str) -> tuple[Message, ...]:
    """Return the messages with the instructions before the text."""
    first, *rest = messages
    lead: Part = Text(f"{manner.strip().rstrip('.:')}:")
    return (replace(first, parts=(lead, *first.parts)), *rest)
