"""Encode a script as a transcript or as speech; pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.errors import ApiError, openai_error
from antigravity.simulator.script import Script
from antigravity.simulator.speech import encode_wav
from antigravity.simulator.transcripts import SEGMENT_SECONDS, split_segments, split_words


def encode_transcript(script: Script, context: Context) -> dict[str, Any] | bytes:
    """Return OpenAI's transcript."""
    body, text = context.view.body, script.text
    match body.get("response_format") or "json":
        case "text":
            return f"{text}\n".encode()
        case "srt":
            return _captions(text, ",", numbered=True)
        case "vtt":
            return b"WEBVTT\n\n" + _captions(text, ".", numbered=False)
        case "verbose_json":
            return _verbose(text, body)
        case "diarized_json":
            return _diarized(text, script)
    return {"text": text, "usage": _tokens(script)}


def encode_transcript_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the events of a transcript."""
    if context.view.body.get("response_format") == "diarized_json":
        for segment in _diarized(script.text, script)["segments"]:
            yield Event(segment, content=True)
    else:
        for chunk in script.chunks:
            yield Event({"type": "transcript.text.delta", "delta": chunk}, content=True)
    done = {"type": "transcript.text.done", "text": script.text, "usage": _tokens(script)}
    yield Event(done)


def encode_error(error: ApiError, _: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    return [Event({"type": "error", **openai_error(error).body}, "error")]


def encode_speech(script: Script, context: Context) -> Iterator[Event]:
    """Yield the chunks of an audio file, as bytes."""
    kind = context.view.body.get("response_format") or "mp3"
    if kind == "wav":
        yield Event(encode_wav(b"".join(script.audio)), content=True)
        return
    for place, piece in enumerate(script.audio):
        lead = b"ID3\x04\0\0\0\0\0\0" if kind == "mp3" and place == 0 else b""
        yield Event(lead + piece, content=True)


def encode_speech_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the events of speech."""
    for event in encode_speech(script, context):
        audio = base64.b64encode(event.value).decode("ascii")
        yield Event({"type": "speech.audio.delta", "audio": audio}, content=True)
    usage = {name: value for name, value in _tokens(script).items() if name.endswith("_tokens")}
    yield Event({"type": "speech.audio.done", "usage": usage})


def frame_bytes(events: Iterable[Event]) -> Iterator[tuple[bytes, bool]]:
    """Yield the values, which are bytes, without framing."""
    for event in events:
        yield event.value, event.content


def _clock(seconds: float, separator: str) -> str:
    whole = int(seconds)
    fraction = round((seconds - whole) * 1000)
    clock = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{clock}{separator}{fraction:03d}"


def _captions(text: str, separator: str, numbered: bool) -> bytes:
    blocks = []
    for number, each in enumerate(split_segments(text), 1):
        times = f"{_clock(each['start'], separator)} --> {_clock(each['end'], separator)}"
        blocks.append(
            f"{number}\n{times}\n{each['text']}\n" if numbered else f"{times}\n{each['text']}\n"
        )
    return "\n".join(blocks).encode()


def _verbose(text: str, body: dict[str, Any]) -> dict[str, Any]:
    seconds = len(split_segments(text)) * SEGMENT_SECONDS
    granularities = body.get("timestamp_granularities[]") or "segment"
    response: dict[str, Any] = {
        "task": "transcribe",
        "language": "english",
        "duration": seconds,
        "text": text,
        "usage": {"type": "duration", "seconds": seconds},
    }
    if "segment" in granularities:
        response["segments"] = [
            {
                "id": number, "seek": 0, **each, "tokens": [1], "temperature": 0.0,
                "avg_logprob": -0.25, "compression_ratio": 1.0, "no_speech_prob": 0.01,
            }
            for number, each in enumerate(split_segments(text))
        ]  # fmt: skip
    if "word" in granularities:
        response["words"] = split_words(text)
    return response


def _diarized(text: str, script: Script) -> dict[str, Any]:
    segments = [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            **each,
            "speaker": "AB"[number % 2],
        }
        for number, each in enumerate(split_segments(text))
    ]
    return {
        "task": "transcribe",
        "duration": len(segments) * SEGMENT_SECONDS,
        "text": text,
        "segments": segments,
        "usage": _tokens(script),
    }


def _tokens(script: Script) -> dict[str, Any]:
    prompt, response = script.usage.prompt, script.usage.response
    return {
        "type": "tokens",
        "input_tokens": prompt,
        "input_token_details": {"audio_tokens": prompt, "text_tokens": 0},
        "output_tokens": response,
        "total_tokens": prompt + response,
    }
