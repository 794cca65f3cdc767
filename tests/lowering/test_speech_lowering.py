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
def test_a_voice_of_the_models_own(name: str) -> None:
    fitted, losses = fit(NEW, SpeechOptions(name))
    assert fitted.audio_config == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    assert losses == []


def test_a_voice_of_others_is_stood_in_for() -> None:
    fitted, losses = fit(NEW, SpeechOptions("alloy"))
    own = TABLE.capabilities(NEW)
    name = own.voice_names["alloy"]
    assert fitted.audio_config == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
    assert losses == ["voice"]


def test_every_stand_in_is_a_voice_of_the_models() -> None:
    own = TABLE.capabilities(NEW)
    assert set(own.voice_names.values()) <= set(own.voices)
    assert len(own.voices) == 30


def test_unknown_voices_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequestError, match=r"Zephyr.*alloy") as refused:
        fit(NEW, SpeechOptions("nobody"))
    assert refused.value.param == "voice"


def test_no_voice_is_the_models_choice() -> None:
    assert fit(NEW, SpeechOptions())[0].audio_config is None


def test_where_the_manner_is_told() -> None:
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


def test_a_model_that_talks_is_told_to_read() -> None:
    fitted, losses = fit(TALKER, SpeechOptions("verse", "Softly."))
    assert fitted.audio_config == {"voice": "verse", "format": "pcm16"}
    assert fitted.modalities == ("text", "audio")
    assert "word for word" in fitted.system[0].text
    assert fitted.system[1].text == "Softly."
    assert words(fitted) == ["Hello."]
    assert losses == []


def test_other_requests_are_left_alone() -> None:
    fitted, losses = fit(NEW, None)
    assert fitted.audio_config is None
    assert losses == []
