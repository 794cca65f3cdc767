"""The wish for sound in the target's words, and the sound in the client's form."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.events import Event, Finish, MediaOutput, TextDelta
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Text
from antigravity.ir.pcm import Samples, samples_of
from antigravity.ir.request import Message, Request
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT
from antigravity.routing.capability_table import load_table

TABLE = load_table([])
CHAT, GEMINI = OPENAI_CHAT_CLIENT, GEMINI_CLIENT
SILENT: list[Any] = [ANTHROPIC_CLIENT, OPENAI_RESPONSES_CLIENT]
TTS, TALKS = "gemini-3.8-flash-tts", "gpt-audio"
SPEECH = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}
PCM = base64.b64encode(b"\1\2\3\4").decode()


def fitted(client: Any, model: str, protocol: str, **fields: Any) -> Lowered:
    asked = Request(model, (Message("user", (Text("hi"),)),), protocol, **fields)
    return lower(asked, client.traits, Target(model, TABLE.capabilities(model)), client.name)


def names(lowered: Lowered) -> list[str]:
    return [loss.field for loss in lowered.losses]


def chat(client: Any, model: str, **audio: Any) -> Lowered:
    return fitted(client, model, "openai_chat", modalities=("text", "audio"), audio_config=audio)


def gemini(client: Any, model: str, config: dict[str, Any] | None = None) -> Lowered:
    return fitted(client, model, "gemini", modalities=("audio",), audio_config=config)


def test_openai_voice_becomes_its_gemini_equivalent() -> None:
    lowered = chat(GEMINI, TTS, voice="alloy", format="pcm16")
    assert lowered.request.audio_config == {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}
    }
    assert lowered.request.modalities == ("audio",)
    assert names(lowered) == []
    own = chat(GEMINI, TTS, voice="puck", format="wav")
    assert own.request.audio_config == SPEECH


@pytest.mark.parametrize("voice", ["nobody", {"id": "voice_1"}, None])
def test_unknown_voice_is_replaced_by_default(voice: Any) -> None:
    lowered = chat(GEMINI, TTS, voice=voice, format="pcm16")
    assert lowered.request.audio_config is None
    assert names(lowered) == (["audio.voice"] if voice else [])


def test_speech_config_becomes_openai_audio() -> None:
    lowered = gemini(CHAT, TALKS, SPEECH | {"languageCode": "de-DE"})
    assert lowered.request.audio_config == {"voice": "alloy", "format": "pcm16"}
    assert lowered.request.modalities == ("text", "audio")
    assert names(lowered) == ["audio.voice", "audio_config"]
    named = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Verse"}}}
    assert gemini(CHAT, TALKS, named).request.audio_config == {"voice": "verse", "format": "pcm16"}


@pytest.mark.parametrize("client", [GEMINI, *SILENT])
def test_audio_is_not_requested_from_text_models(client: Any) -> None:
    for model in ("gemini-3-flash", "claude-sonnet-5", "gpt-5.1", "unheard-of"):
        lowered = chat(client, model, voice="alloy", format="wav")
        assert lowered.request.audio_config is None
        assert lowered.request.modalities == ()
        assert [loss.content for loss in lowered.losses if loss.field == "modalities"] == [True]
        body = client.encode(lowered.request, Target(model, TABLE.capabilities(model))).body
        assert b"alloy" not in body
        assert b"speechConfig" not in body


def test_speech_config_without_audio_modality_is_dropped() -> None:
    lowered = fitted(CHAT, "gpt-5.1", "gemini", audio_config=SPEECH)
    assert lowered.request.audio_config is None
    assert names(lowered) == ["audio_config"]


def test_audio_only_request_to_text_model_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot return audio"):
        gemini(CHAT, "gpt-5.1", SPEECH)


def test_settings_stay_for_unknown_models_of_same_protocol() -> None:
    for model in (TTS, "unheard-of"):
        lowered = gemini(GEMINI, model, SPEECH | {"languageCode": "de-DE"})
        assert lowered.request.audio_config == SPEECH | {"languageCode": "de-DE"}
    custom = {"voice": {"id": "voice_1"}, "format": "pcm16"}
    assert chat(CHAT, "unheard-of", **custom).request.audio_config == custom


def test_requests_without_audio_are_unchanged() -> None:
    asked = Request("m", (Message("user", (Text("hi"),)),), "openai_chat", modalities=("text",))
    assert lower(asked, CHAT.traits, Target("m", Capabilities())).request.modalities == ("text",)


# The way back


def run(lowered: Lowered, *events: Event) -> list[Event]:
    return [*lowered.pipeline.feed(events), *lowered.pipeline.close()]


def samples(event: Event) -> Samples | None:
    assert isinstance(event, MediaOutput)
    assert isinstance(event.source, InlineData)
    return samples_of(event.mime_type, base64.b64decode(event.source.data))


def test_raw_samples_become_one_wav_file() -> None:
    piece = MediaOutput("audio/L16;codec=pcm;rate=16000", InlineData(PCM), transcript="a")
    found = run(chat(GEMINI, TTS, voice="alloy", format="wav"), piece, piece, Finish("stop"))
    assert len(found) == 2
    assert samples(found[0]) == Samples(b"\1\2\3\4" * 2, 16000, 1)
    assert isinstance(found[0], MediaOutput)
    assert found[0].mime_type == "audio/wav"
    assert found[0].transcript == "aa"


def test_other_formats_become_wav_with_warning() -> None:
    lowered = chat(GEMINI, TTS, voice="alloy", format="mp3")
    assert names(lowered) == ["audio.format"]
    piece = MediaOutput("audio/L16", InlineData(PCM))
    assert samples(run(lowered, piece, Finish("stop"))[0]) == Samples(b"\1\2\3\4")


def test_raw_samples_pass_if_requested() -> None:
    piece = MediaOutput("audio/L16;codec=pcm;rate=24000", InlineData(PCM))
    lowered = chat(GEMINI, TTS, voice="alloy", format="pcm16")
    assert run(lowered, piece, Finish("stop")) == [piece, Finish("stop")]


def test_gemini_clients_receive_raw_samples_with_their_mime_type() -> None:
    lowered = gemini(CHAT, TALKS, SPEECH)
    found = run(lowered, TextDelta("x"), MediaOutput("audio/pcm", InlineData(PCM)), Finish("stop"))
    assert isinstance(found[1], MediaOutput)
    assert found[1].mime_type == "audio/L16;codec=pcm;rate=24000"


def test_encoded_audio_is_unchanged() -> None:
    lowered = chat(GEMINI, TTS, voice="alloy", format="wav")
    for source in (InlineData("SUQz"), InlineData("!")):
        piece = MediaOutput("audio/mpeg", source)
        assert run(lowered, piece, Finish("stop"))[0] == piece
    image = MediaOutput("image/png", InlineData("AA=="))
    assert run(lowered, image) == [image]
