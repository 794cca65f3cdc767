"""Encodes whole transcripts, in JSON, as text or as captions."""

from __future__ import annotations

import zlib
from typing import Any

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.response import Response
from antigravity.protocols.openai_transcriptions.call_parser import ParsedCall, parse_call
from antigravity.protocols.openai_transcriptions.captions import srt, vtt
from antigravity.protocols.openai_transcriptions.fields import (
    incomplete_transcript,
    logprob_fields,
    speaker_segment,
    token_fields,
    transcript_text,
)
from antigravity.protocols.openai_transcriptions.request import seconds_of
from antigravity.protocols.openai_transcriptions.schema import TRANSLATIONS
from antigravity.protocols.openai_transcriptions.segments import Segment, Transcript, parse
from antigravity.protocols.replies import json_reply

_TEXT = "text/plain; charset=utf-8"


def encode_response(response: Response, context: ReplyContext, protocol: str) -> HttpReply:
    """Return the transcript in the requested format.

    :raises GatewayError: if it is missing or incomplete.
    """
    choice = response.choices[0]
    failure = incomplete_transcript(choice.finish, choice.refusal or "")
    if failure is not None:
        raise failure
    parsed = parse_call(context.call)
    if not parsed.timed:
        return _plain(response, parsed)
    transcript = parse(choice.text, seconds_of(context.call))
    match parsed.body.response_format:
        case "srt":
            return _text(srt(transcript.segments))
        case "vtt":
            return _text(vtt(transcript.segments))
        case "diarized_json":
            return json_reply({**_diarized(transcript), "usage": token_fields(response.usage)})
    return json_reply(_verbose(transcript, parsed, protocol))


def _plain(response: Response, parsed: ParsedCall) -> HttpReply:
    choice = response.choices[0]
    text = transcript_text(choice.text)
    if parsed.body.response_format == "text":
        return _text(f"{text}\n")
    body: dict[str, Any] = {"text": text, "usage": token_fields(response.usage)}
    if choice.logprobs is not None:
        body["logprobs"] = logprob_fields(list(choice.logprobs))
    return json_reply(body)


def _text(text: str) -> HttpReply:
    return HttpReply(200, text.encode(), _TEXT)


def _diarized(transcript: Transcript) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "duration": transcript.seconds,
        "text": transcript.text,
        "segments": [
            speaker_segment(number, segment) for number, segment in enumerate(transcript.segments)
        ],
    }


def _verbose(transcript: Transcript, parsed: ParsedCall, protocol: str) -> dict[str, Any]:
    english = protocol == TRANSLATIONS
    body: dict[str, Any] = {
        "task": "translate" if english else "transcribe",
        "language": "english" if english else transcript.language or "unknown",
        "duration": transcript.seconds,
        "text": transcript.text,
        "usage": {"type": "duration", "seconds": transcript.seconds},
    }
    granularities = parsed.body.timestamp_granularities or ["segment"]
    if "segment" in granularities:
        temperature = parsed.body.temperature or 0.0
        body["segments"] = [
            _segment(number, segment, temperature)
            for number, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        body["words"] = [
            {"word": word.text, "start": word.start, "end": word.end} for word in transcript.words
        ]
    return body


def _segment(number: int, segment: Segment, temperature: float) -> dict[str, Any]:
    """Return a segment, with neutral values for fields of Whisper that clients require."""
    raw = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 3),
        "no_speech_prob": 0.0,
    }
