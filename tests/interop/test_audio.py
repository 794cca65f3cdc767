"""OpenAI's audio endpoints, called by its own SDK, over every upstream that hears or speaks."""

from __future__ import annotations

import array
import base64
import io
import json
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIError, APIStatusError, BadRequestError, NotFoundError, OpenAI

WHISPER = "demo-openai/whisper-1"
NATIVE = "demo-openai/gpt-4o-transcribe"
GEMINI = "demo-gemini_api/gemini-3-flash"
CODE_ASSIST = "demo-codeassist/gemini-3-flash"
CHAT = "demo-openai-chat/gpt-audio"
TRANSLATED = (GEMINI, CODE_ASSIST, CHAT)
HEARING = (WHISPER, *TRANSLATED)

TTS = "demo-openai/gpt-4o-mini-tts"
NEW = "demo-gemini_api/gemini-3.8-flash-tts"
OLD = "demo-gemini_api/gemini-2.5-flash-preview-tts"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def recording(said: str = "", seconds: float = 4.0) -> tuple[str, bytes]:
    """Return a recording in which directives for the simulated model stand."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(said.encode().ljust(int(seconds * 16000), b"\0"))
    return "talk.wav", file.getvalue()


# -- transcripts ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NATIVE, *HEARING])
def test_transcription_returns_text(client: OpenAI, model: str) -> None:
    answer: Any = client.audio.transcriptions.create(
        model=model, file=recording("[[say Grüße aus Zürich.]]")
    )
    assert answer.text == "Grüße aus Zürich."
    assert answer.usage.type == "tokens"
    assert answer.usage.input_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    if model in (GEMINI, CODE_ASSIST):
        assert answer.usage.input_token_details.audio_tokens > 0


@pytest.mark.parametrize("model", HEARING)
def test_transcription_as_text(client: OpenAI, model: str) -> None:
    text = client.audio.transcriptions.create(
        model=model, file=recording("[[say Hello.]]"), response_format="text"
    )
    assert text == "Hello.\n"


@pytest.mark.parametrize("model", HEARING)
def test_transcription_as_captions(client: OpenAI, model: str) -> None:
    for name, mark in (("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n\n00:00:00.000 --> ")):
        raw = client.audio.transcriptions.with_raw_response.create(
            model=model, file=recording(), response_format=name
        )
        assert raw.headers["content-type"] == "text/plain; charset=utf-8"
        assert raw.text.startswith(mark)
        assert "[audio audio/wav " in raw.text


@pytest.mark.parametrize("model", HEARING)
def test_transcription_as_verbose_json(client: OpenAI, model: str) -> None:
    answer = client.audio.transcriptions.create(
        model=model,
        file=recording(seconds=4.0),
        response_format="verbose_json",
        timestamp_granularities=["segment", "word"],
    )
    assert answer.language == "english"
    assert answer.text
    assert answer.segments
    assert answer.words
    assert answer.segments[0].start == 0
    assert answer.segments[-1].end <= 4.0
    assert " ".join(word.word for word in answer.words) == answer.text
    if model != WHISPER:
        assert answer.duration == 4.0


@pytest.mark.parametrize("model", TRANSLATED)
def test_transcription_times_are_corrected(client: OpenAI, model: str) -> None:
    segments = [
        {"start": 0, "end": 9, "text": "One."},
        {"start": "00:01.5", "end": 1, "text": "Two."},
        {"start": 1, "end": 99, "text": "Three."},
    ]
    said = json.dumps({"language": "English", "segments": segments})
    answer = client.audio.transcriptions.create(
        model=model,
        file=recording(seconds=4.0),
        prompt=f"[[json {said}]]",
        response_format="verbose_json",
    )
    times = [(each.start, each.end, each.text) for each in answer.segments or ()]
    assert times == [(0, 4.0, "One."), (1.5, 1.5, "Two."), (1.5, 4.0, "Three.")]


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST, CHAT])
def test_transcription_with_speakers(client: OpenAI, model: str) -> None:
    answer: Any = client.audio.transcriptions.create(
        model=model, file=recording(), response_format="diarized_json"
    )
    assert answer.segments
    assert answer.segments[0].speaker == "A"


@pytest.mark.parametrize("model", [NATIVE, *TRANSLATED])
def test_transcription_stream(client: OpenAI, model: str) -> None:
    stream = client.audio.transcriptions.create(
        model=model, file=recording("[[say Hello big wide world.]] [[chunks 4]]"), stream=True
    )
    *deltas, done = list(stream)
    assert done.type == "transcript.text.done"
    assert done.text == "Hello big wide world."
    assert done.usage is not None
    assert len(deltas) > 1
    assert "".join(delta.delta for delta in deltas if delta.type == "transcript.text.delta") == (
        done.text
    )


@pytest.mark.parametrize("model", TRANSLATED)
def test_transcription_stream_with_speakers(client: OpenAI, model: str) -> None:
    stream: Any = client.audio.transcriptions.create(
        model=model, file=recording(), stream=True, response_format="diarized_json"
    )
    kinds = [event.type for event in stream]
    assert kinds[0] == "transcript.text.segment"
    assert kinds[-1] == "transcript.text.done"


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST, CHAT, NATIVE])
def test_broken_transcription_stream_is_an_error(client: OpenAI, model: str) -> None:
    stream = client.audio.transcriptions.create(
        model=model,
        file=recording("[[say Hello big wide world.]] [[chunks 4]] [[cut 2]]"),
        stream=True,
    )
    with pytest.raises(APIError, match=r"broke off|lost"):
        list(stream)


@pytest.mark.parametrize("model", HEARING)
def test_translation_returns_text(client: OpenAI, model: str) -> None:
    answer = client.audio.translations.create(model=model, file=recording("[[say Good day.]]"))
    assert answer.text == "Good day."
    text = client.audio.translations.create(
        model=model, file=recording("[[say Good day.]]"), response_format="text"
    )
    assert text == "Good day.\n"


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST])
def test_transcription_of_silence_is_empty(client: OpenAI, model: str) -> None:
    answer = client.audio.transcriptions.create(
        model=model, file=recording("[[say [no speech]. ]]")
    )
    assert answer.text == ""


@pytest.mark.parametrize("model", TRANSLATED)
def test_malformed_transcription_is_retried_then_fails(client: OpenAI, model: str) -> None:
    with pytest.raises(APIStatusError, match="form") as failed:
        client.audio.transcriptions.create(
            model=model, file=recording("[[say certainly!]]"), response_format="srt"
        )
    assert failed.value.status_code == 502


def test_transient_failure_is_retried(client: OpenAI) -> None:
    for model in (NATIVE, GEMINI):
        said = f"[[error 503 times=1]] [[say here]] {model}"
        answer = client.audio.transcriptions.create(model=model, file=recording(), prompt=said)
        assert answer.text == "here"


def test_recording_with_wrong_name_or_content_is_rejected(client: OpenAI) -> None:
    _, data = recording()
    for name, content, problem in (
        ("talk.mp3", data, "extension mp3"),
        ("talk.wav", b"words", "not a recording"),
        ("talk.txt", data, "extension txt"),
    ):
        with pytest.raises(BadRequestError, match=problem) as refused:
            client.audio.transcriptions.create(model=GEMINI, file=(name, content))
        assert refused.value.param == "file"
        assert "mp3, wav, m4a" in refused.value.message


def test_too_large_recording_is_rejected(client: OpenAI) -> None:
    large = recording(seconds=1000)
    assert len(large[1]) > 15 * 1024 * 1024
    with pytest.raises(APIStatusError, match=r"limit for this model is 15 MiB") as refused:
        client.audio.transcriptions.create(model=GEMINI, file=large)
    assert refused.value.status_code == 413
    assert client.audio.transcriptions.create(model=WHISPER, file=large).text
    with pytest.raises(APIStatusError, match="Maximum content size") as refused:
        client.audio.transcriptions.create(model=WHISPER, file=recording(seconds=1700))
    assert refused.value.status_code == 413


def test_unsupported_settings_are_named(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="diarized_json"):
        client.audio.transcriptions.create(
            model=GEMINI, file=recording(), response_format="srt", stream=True
        )
    with pytest.raises(BadRequestError, match="srt"):
        client.audio.transcriptions.create(
            model=GEMINI,
            file=recording(),
            extra_body={"response_format": "docx"},
        )


def test_model_without_audio_input_is_rejected(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="does not accept audio") as refused:
        client.audio.transcriptions.create(
            model="demo-anthropic/claude-sonnet-4-6", file=recording()
        )
    assert "gemini-3-flash" in refused.value.message
    with pytest.raises(NotFoundError):
        client.audio.transcriptions.create(model="demo-openai/gpt-5.1", file=recording())


def test_default_model_is_used(client: OpenAI, url: str) -> None:
    name, data = recording("[[say Hello.]]")
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    request = urllib.request.Request(
        f"{url}/v1/audio/transcriptions",
        head.encode() + data + b"\r\n--b--\r\n",
        {"content-type": "multipart/form-data; boundary=b"},
    )
    with urllib.request.urlopen(request) as response:
        assert response.headers["x-mapped-model"] == "gemini-3-flash"
        assert json.load(response)["text"] == "Hello."
    bad = urllib.request.Request(request.full_url, b"{}", {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(bad)
    refused.value.close()
    assert refused.value.code == 400


def test_losses_are_in_header(client: OpenAI) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model=GEMINI, file=recording("[[say x]]"), chunking_strategy="auto"
    )
    assert "chunking_strategy" in raw.headers["x-antigravity-warnings"]


# -- speech -----------------------------------------------------------------------------------


def note(samples: bytes) -> dict[str, Any]:
    """Return what the simulated model was asked: it says so in its sound."""
    values = array.array("h", samples)
    said = bytes(value >> 6 for value in values if value)
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.mark.parametrize("model", [TTS, NEW, OLD])
def test_speech_as_pcm(client: OpenAI, model: str) -> None:
    answer = client.audio.speech.create(
        model=model, voice="alloy", input="Good day.", response_format="pcm"
    )
    assert answer.response.headers["content-type"] == "audio/pcm"
    said = note(answer.content)
    assert said["text"] == "Good day."
    assert said["voice"] == ("alloy" if model == TTS else "Kore")


@pytest.mark.parametrize("model", [TTS, NEW, OLD])
def test_speech_as_wav(client: OpenAI, model: str) -> None:
    answer = client.audio.speech.create(
        model=model, voice="nova", input="Good day.", response_format="wav"
    )
    assert answer.response.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels()) == (24_000, 1)
        assert note(file.readframes(100_000))["text"] == "Good day."


@pytest.mark.parametrize("model", [NEW, OLD])
def test_speech_as_mp3(client: OpenAI, model: str) -> None:
    answer = client.audio.speech.create(
        model=model, voice="Kore", input="[[tokens 250]] ten seconds", response_format="mp3"
    )
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert answer.content[:2] == b"\xff\xf3"
    assert 70_000 < len(answer.content) < 90_000  # ten seconds of 64 kbit/s
    default = client.audio.speech.create(model=model, voice="Kore", input="Hello.")
    assert default.response.headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize("model", [TTS, NEW])
def test_speech_is_streamed(client: OpenAI, model: str) -> None:
    with client.audio.speech.with_streaming_response.create(
        model=model,
        voice="alloy",
        input="[[chunks 5]] [[delay 0.05]] [[tokens 100]] Hello.",
        response_format="pcm",
    ) as response:
        pieces = list(response.iter_bytes())
    assert len(pieces) > 2
    assert len(b"".join(pieces)) == 4 * 48_000


@pytest.mark.parametrize("name", ["pcm", "mp3"])
@pytest.mark.parametrize("model", [TTS, NEW])
def test_speech_events(client: OpenAI, model: str, name: Any) -> None:
    with client.audio.speech.with_streaming_response.create(
        model=model, voice="alloy", input="Hello.", response_format=name, stream_format="sse"
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in response.iter_lines() if line[:6] == "data: "]
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["input_tokens"] > 0
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    if name == "pcm":
        assert note(audio)["text"] == "Hello."
    elif model == NEW:
        assert audio[:2] == b"\xff\xf3"


def test_speech_instructions_and_speed(client: OpenAI) -> None:
    def said(model: str) -> tuple[dict[str, Any], str]:
        answer = client.audio.speech.create(
            model=model,
            voice="Puck" if model != TTS else "alloy",
            input="Hello.",
            instructions="Whisper",
            speed=2.0,
            response_format="pcm",
        )
        return note(answer.content), answer.response.headers.get("x-antigravity-warnings", "")

    new, warnings = said(NEW)
    assert new["manner"] == "Whisper Speak at 2 times the usual pace."
    assert new["text"] == "Hello."
    assert "speed: " in warnings
    old, _ = said(OLD)
    assert old["text"] == "Whisper Speak at 2 times the usual pace:\nHello."
    assert old["manner"] == ""
    assert said(TTS)[0]["manner"] == "Whisper"


def test_unsupported_speech_settings_are_named(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"Zephyr.*alloy") as refused:
        client.audio.speech.create(model=NEW, voice="nobody", input="x")
    assert refused.value.param == "voice"
    with pytest.raises(BadRequestError, match="mp3, wav, pcm") as refused:
        client.audio.speech.create(model=NEW, voice="Kore", input="x", response_format="opus")
    assert refused.value.param == "response_format"
    opus = client.audio.speech.create(model=TTS, voice="alloy", input="x", response_format="opus")
    assert opus.response.headers["content-type"] == "audio/opus"
    with pytest.raises(BadRequestError, match="does not produce audio") as refused:
        client.audio.speech.create(model=GEMINI, voice="Kore", input="x")
    assert "gemini-3.8-flash-tts" in refused.value.message


def test_text_in_place_of_speech_is_an_error(client: OpenAI) -> None:
    with pytest.raises(APIStatusError, match="I would rather not") as failed:
        client.audio.speech.create(model=NEW, voice="Kore", input="[[say I would rather not]]")
    assert failed.value.status_code == 502
    with pytest.raises(BadRequestError, match="refused"):
        client.audio.speech.create(model=NEW, voice="Kore", input="[[finish safety]] x")


@pytest.mark.parametrize("model", [TTS, NEW])
def test_transient_speech_failure_is_retried(client: OpenAI, model: str) -> None:
    said = f"[[error 503 times=1]] hello {model}"
    answer = client.audio.speech.create(
        model=model, voice="alloy", input=said, response_format="pcm"
    )
    assert "hello" in note(answer.content)["text"]


@pytest.mark.parametrize("name", ["pcm", "wav", "mp3"])
@pytest.mark.parametrize("model", [TTS, NEW])
def test_broken_speech_is_not_complete(client: OpenAI, model: str, name: Any) -> None:
    said = "[[chunks 8]] [[tokens 400]] [[delay 0.01]] [[cut 4]] hello"
    if model == TTS and name == "wav":
        return  # it comes in one piece there
    with pytest.raises(Exception) as failed:  # noqa: PT011 - of the SDK's HTTP client
        client.audio.speech.create(model=model, voice="alloy", input=said, response_format=name)
    kinds = {kind.__name__ for kind in type(failed.value).__mro__}
    assert kinds & {"APIConnectionError", "TransportError"}, failed.value


def test_broken_speech_events_end_with_error(client: OpenAI) -> None:
    for model, name in ((TTS, "mp3"), (NEW, "mp3"), (NEW, "pcm")):
        said = "[[chunks 8]] [[tokens 400]] [[cut 4]] hello"
        with client.audio.speech.with_streaming_response.create(
            model=model,
            voice="alloy",
            input=said,
            stream_format="sse",
            response_format=name,  # type: ignore[arg-type]
        ) as response:
            lines = [line for line in response.iter_lines() if line[:6] == "data: "]
        assert "error" in json.loads(lines[-1][6:]), model


def test_audio_models_are_listed(client: OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert {"whisper-1", "gpt-4o-mini-tts", "gemini-3.8-flash-tts"} <= listed
