"""From a form with a recording to a request."""

from __future__ import annotations

import binascii
from typing import Any

from antigravity.ir.call import Call
from antigravity.ir.errors import RequestTooLargeError
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.protocols.openai_transcriptions.audio_file import sound_type
from antigravity.protocols.openai_transcriptions.call_parser import (
    ParsedCall,
    check,
    parse_call,
    recording,
)
from antigravity.protocols.openai_transcriptions.duration import duration_of
from antigravity.protocols.openai_transcriptions.instruction import answer_format, instruction
from antigravity.protocols.openai_transcriptions.schema import TRANSLATIONS

_SECONDS = "transcript_seconds"
_MIB = 1024 * 1024


def decode(call: Call, protocol: str) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault.
    :raises RequestTooLargeError: if the recording is too large to go up inside of a request.
    """
    told = parse_call(call)
    check(told, protocol)
    form, part = recording(call)
    mime_type = sound_type(part.filename or "", call.body, part.start, part.end)
    _check_size(part.end - part.start, call.audio.max_bytes)
    seconds = duration_of(mime_type, call.body, part.start, part.end)
    call.memo[_SECONDS] = seconds
    words = instruction(
        told, call.audio.instruction, english=protocol == TRANSLATIONS, seconds=seconds
    )
    encoded = binascii.b2a_base64(form.data(part), newline=False).decode("ascii")
    sound = Media(kind_of(mime_type), InlineData(encoded), mime_type)
    return Request(
        told.body.model or "",
        (Message("user", (Text(words), sound)),),
        protocol,
        stream=told.body.stream,
        sampling=_sampling(told),
        response_format=answer_format(told),
        extensions=_extensions(told),
    )


def length_of(call: Call) -> float | None:
    """Return the seconds of a recording that was decoded, where they are known."""
    seconds: float | None = call.memo.get(_SECONDS)
    return seconds


def _sampling(told: ParsedCall) -> Sampling:
    wanted = "logprobs" in told.body.include and told.body.response_format == "json"
    return Sampling(temperature=told.body.temperature, logprobs=True if wanted else None)


def _extensions(told: ParsedCall) -> dict[str, Any]:
    """Return what nothing is made of here, so that it is named as lost."""
    more = [name for name in told.body.include if name != "logprobs"]
    if "logprobs" in told.body.include and told.body.response_format != "json":
        more.append("logprobs")
    named = {f"include={name}": True for name in more}
    return {**told.unknown, **named}


def _check_size(size: int, limit: int) -> None:
    if not limit or size <= limit:
        return
    raise RequestTooLargeError(
        f"The recording has {size / _MIB:.1f} MiB, and this model takes at most "
        f"{limit / _MIB:g} MiB: it is given the recording inside of the request, where it grows by "
        "a third. Compress it (speech needs no more than 32 kbit/s, mono, as MP3 or Ogg Opus: an "
        "hour is 14 MiB), cut it into pieces, or ask a model of OpenAI's own audio endpoint. "
        "The limit is max_inline_bytes in the [audio] table of the gateway's configuration.",
        param="file",
        code="file_too_large",
    )
