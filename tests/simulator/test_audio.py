"""Transcription and speech, and the requests that they refuse."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import pytest

from antigravity.simulator.errors import ApiError
from antigravity.simulator.multipart import read_form
from antigravity.simulator.parsers.gemini import parse
from antigravity.simulator.script_builder import build_script
from antigravity.simulator.speech import encode_wav, synthesize
from antigravity.simulator.transcripts import (
    build_timed_transcript,
    find_hidden_directives,
    split_segments,
)
from antigravity.simulator.validation.gemini import check as check_gemini
from antigravity.simulator.validation.openai_audio import check_recording, check_speech

NEW, OLD = "gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts"
WAV = encode_wav(b"\0\0[[say Hello.]]\0\0")


def recording(**fields: Any) -> dict[str, Any]:
    boundary = "b"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body = head.encode() + fields.pop("data", WAV) + f"\r\n--{boundary}--\r\n".encode()
    return {
        "model": "whisper-1",
        **read_form(f"multipart/form-data; boundary={boundary}", body),
        **fields,
    }


def test_transcript_follows_directives_in_the_recording() -> None:
    assert find_hidden_directives(WAV) == "[[say Hello.]]"
    view = check_recording(recording(), False)
    assert build_script(view, str).text == "Hello."
    plain = check_recording(recording(data=encode_wav(bytes(10))), False)
    assert build_script(plain, str).text == "[audio audio/wav 54 bytes]"


def test_gemini_transcript_follows_directives_in_the_recording() -> None:
    inline = {"mimeType": "audio/wav", "data": base64.b64encode(WAV).decode()}
    body = {"contents": [{"role": "user", "parts": [{"text": "Listen."}, {"inlineData": inline}]}]}
    view = parse("gemini-3-flash", check_gemini("gemini-3-flash", body), body)
    assert build_script(view, str).text == "Hello."
    assert view.audio_tokens() > 0


def test_transcript_with_times_fits_the_requested_schema() -> None:
    item = {"type": "object", "properties": {"speaker": {"type": "string"}}}
    schema = {"properties": {"segments": {"items": item}, "words": {}}}
    made = build_timed_transcript(schema, "one two three four five")
    assert [(s["start"], s["text"], s["speaker"]) for s in made["segments"]] == [
        (0.0, "one two three four", "A"),
        (1.5, "five", "B"),
    ]
    assert [word["word"] for word in made["words"]] == ["one", "two", "three", "four", "five"]
    assert split_segments("") == []


@pytest.mark.parametrize(
    ("fields", "english", "message"),
    [
        ({"model": "gpt-5.1"}, False, "does not exist"),
        ({"model": "gpt-4o-transcribe"}, True, "does not exist"),
        ({"model": "gpt-4o-transcribe", "response_format": "srt"}, False, "not compatible"),
        ({"response_format": "diarized_json"}, False, "not compatible"),
        ({"language": "de"}, True, "Unrecognized"),
        ({"size": "1"}, False, "Unrecognized"),
        ({"temperature": "2"}, False, "temperature"),
        ({"file": "x"}, False, "required"),
        ({"data": b"words"}, False, "Invalid file format"),
    ],
)
def test_invalid_transcription_request_is_refused(
    fields: dict[str, Any], english: bool, message: str
) -> None:
    with pytest.raises(ApiError, match=message):
        check_recording(recording(**fields), english)


def test_large_recording_is_refused() -> None:
    file = {**recording()["file"], "size": 26 * 1024 * 1024}
    with pytest.raises(ApiError) as refused:
        check_recording(recording(file=file), False)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "gpt-5.1"}, "does not exist"),
        ({"input": ""}, "input"),
        ({"voice": "Kore"}, "alloy"),
        ({"response_format": "midi"}, "mp3"),
        ({"speed": 9}, "4.0"),
        ({"stream_format": "x"}, "sse"),
        ({"mood": "x"}, "Unknown parameter"),
    ],
)
def test_invalid_speech_request_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message):
        check_speech({"model": "tts-1", "input": "x", "voice": "alloy", **fields})


def speech(model: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    part = {"text": "Hello.", **more.pop("part", {})}
    body = {"contents": [{"parts": [part]}], "generationConfig": config, **more}
    return check_gemini(model, body)


AUDIO: dict[str, Any] = {"responseModalities": ["AUDIO"]}


@pytest.mark.parametrize(
    ("model", "config", "more", "message"),
    [
        (NEW, {}, {}, "accepts the following"),
        (NEW, {**AUDIO, "responseMimeType": "application/json"}, {}, "JSON mode"),
        (NEW, AUDIO, {"systemInstruction": {"parts": [{"text": "x"}]}}, "Developer instruction"),
        (NEW, AUDIO, {"tools": [{"googleSearch": {}}]}, "Tool use"),
        (OLD, AUDIO, {"part": {"speechMetadata": {"style": "x"}}}, "not enabled"),
        ("gemini-3-flash", AUDIO, {}, "modalities: audio"),
        (
            NEW,
            {
                **AUDIO,
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "alloy"}}},
            },
            {},
            "zephyr",
        ),
        (NEW, {**AUDIO, "speechConfig": {"voice": "Kore"}}, {}, "Cannot find field"),
    ],
)
def test_gemini_refuses(
    model: str, config: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ApiError, match=message):
        speech(model, config, **more)


def test_gemini_refuses_unknown_audio_type() -> None:
    part = {"inlineData": {"mimeType": "audio/x-wav", "data": "AAAA"}}
    with pytest.raises(ApiError, match="Unsupported MIME type"):
        check_gemini("gemini-3-flash", {"contents": [{"parts": [part]}]})


def test_speech_encodes_the_request() -> None:
    config = {
        **AUDIO,
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    body = speech(NEW, config, part={"speechMetadata": {"style": "softly"}})
    view = parse(NEW, body, body)
    data = b"".join(synthesize(view, None, 3))
    note = bytes(byte >> 6 for (byte,) in (divmod(v, 1)[:1] for v in memoryview(data).cast("h")))
    assert json.loads(note) == {"text": "Hello.", "voice": "Kore", "manner": "softly"}
    with wave.open(io.BytesIO(encode_wav(data))) as file:
        assert file.readframes(10_000) == data
    assert len(b"".join(synthesize(view, 50, 2))) == 2 * 48_000
