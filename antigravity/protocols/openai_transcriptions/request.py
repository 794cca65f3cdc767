"""Decodes a form with a recording."""

from __future__ import annotations

import binascii
from typing import Any

from antigravity.ir.call import Call
from antigravity.ir.errors import RequestTooLargeError
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.protocols.openai_transcriptions.audio_file import audio_type
from antigravity.protocols.openai_transcriptions.call_parser import (
    ParsedCall,
    check,
    parse_call,
    recording,
)
from antigravity.protocols.openai_transcriptions.duration import duration_of
from antigravity.protocols.openai_transcriptions.instruction import instruction, response_format_for
from antigravity.protocols.openai_transcriptions.schema import TRANSLATIONS

_SECONDS = "transcript_seconds"
_MIB = 1024 * 1024


def decode(call: Call, protocol: str) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault.
    :raises RequestTooLargeError: if the recording is too large for inline data.
    """
    parsed = parse_call(call)
    check(parsed, protocol)
    form, part = recording(call)
    mime_type = audio_type(part.filename or "", call.body, part.start, part.end)
    _check_size(part.end - part.start, call.audio.max_bytes)
    seconds = duration_of(mime_type, call.body, part.start, part.end)
    call.memo[_SECONDS] = seconds
    words = instruction(
        parsed, call.audio.instruction, english=protocol == TRANSLATIONS, seconds=seconds
    )
    encoded = binascii.b2a_base64(form.data(part), newline=False).decode("ascii")
    recording_part = Media(kind_of(mime_type), InlineData(encoded), mime_type)
    return Request(
        parsed.body.model or "",
        (Message("user", (Text(words), recording_part)),),
        protocol,
        stream=parsed.body.stream,
        sampling=_sampling(parsed),
        response_format=response_format_for(parsed),
        extensions=_extensions(parsed),
    )


def seconds_of(call: Call) -> float | None:
    """Return the seconds of the recording in a decoded call, if they are known."""
    seconds: float | None = call.memo.get(_SECONDS)
    return seconds


def _sampling(parsed: ParsedCall) -> Sampling:
    logprobs = "logprobs" in parsed.body.include and parsed.body.response_format == "json"
    return Sampling(temperature=parsed.body.temperature, logprobs=True if logprobs else None)


def _extensions(parsed: ParsedCall) -> dict[str, Any]:
    """Return the unsupported fields, which are reported as losses."""
    more = [name for name in parsed.body.include if name != "logprobs"]
    if "logprobs" in parsed.body.include and parsed.body.response_format != "json":
        more.append("logprobs")
    named = {f"include={name}": True for name in more}
    return {**parsed.unknown, **named}


def _check_size(size: int, limit: int) -> None:
    if not limit or size <= limit:
        return
    raise RequestTooLargeError(
        f"The recording has {size / _MIB:.1f} MiB, but the limit for this model is "
        f"{limit / _MIB:g} MiB: it is sent inside the request, as base64. Compress it (32 kbit/s "
        "in mono is enough for speech, as MP3 or Ogg Opus: an hour is 14 MiB), send it in parts, "
        "or use a model of OpenAI's own audio endpoint. "
        "The limit is max_inline_bytes in the [audio] table of the gateway's configuration.",
        param="file",
        code="file_too_large",
    )
