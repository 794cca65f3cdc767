"""Voices, manner and speed of speech, as each model can be told of them."""

from __future__ import annotations

import pytest

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.lowering.speech import fit_speech
from antigravity.routing.capability_table import load_table

TABLE = load_table(())
NEW, OLD, TALKER = "gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts", "gpt-audio"


def fit(model: str, wish: SpeechOptions | None) -> tuple[Request, list[str]]:
    request = Request(
        model, (Message("user", (Text("Hello."),)),), "p", modalities=("audio",), speech=wish
    )
    fitted, losses = fit_speech(request, Target(model, TABLE.capabilities(model)))
    return fitted, [loss.field for loss in losses]


def words(request: Request) -> list[str]:
    return [part.text for m in request.messages for part in m.parts if isinstance(part, Text)]


@pytest.mark.parametrize("name", ["Kore", "kore", "KORE"])
def test_voice_of_model_is_kept(name: str) -> None:
    fitted, losses = fit(NEW, SpeechOptions(name))
    assert fitted.audio_config == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    assert losses == []


def test_voice_of_other_provider_is_replaced() -> None:
    fitted, losses = fit(NEW, SpeechOptions("alloy"))
    own = TABLE.capabilities(NEW)
    name = own.voice_names["alloy"]
    assert fitted.audio_config == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
    assert losses == ["voice"]


def test_every_replacement_is_a_voice_of_its_model() -> None:
    own = TABLE.capabilities(NEW)
    assert set(own.voice_names.values()) <= set(own.voices)
    assert len(own.voices) == 30


def test_unknown_voice_error_lists_voices() -> None:
    with pytest.raises(InvalidRequestError, match=r"Zephyr.*alloy") as refused:
        fit(NEW, SpeechOptions("nobody"))
    assert refused.value.param == "voice"


def test_empty_voice_is_unchanged() -> None:
    assert fit(NEW, SpeechOptions())[0].audio_config is None


def test_place_of_speech_instructions() -> None:
    wish = SpeechOptions("Kore", "Softly.", 1.5)
    beside, losses = fit(NEW, wish)
    assert beside.speech is not None
    assert beside.speech.manner == "Softly. Speak at 1.5 times the usual pace."
    assert words(beside) == ["Hello."]
    assert losses == ["speed"]
    inside, _ = fit(OLD, wish)
    assert inside.speech is not None
    assert inside.speech.manner == ""
    assert words(inside) == ["Softly. Speak at 1.5 times the usual pace:", "Hello."]


def test_chat_model_gets_instruction_to_read_aloud() -> None:
    fitted, losses = fit(TALKER, SpeechOptions("verse", "Softly."))
    assert fitted.audio_config == {"voice": "verse", "format": "pcm16"}
    assert fitted.modalities == ("text", "audio")
    assert "word for word" in fitted.system[0].text
    assert fitted.system[1].text == "Softly."
    assert words(fitted) == ["Hello."]
    assert losses == []


def test_other_requests_are_unchanged() -> None:
    fitted, losses = fit(NEW, None)
    assert fitted.audio_config is None
    assert losses == []
