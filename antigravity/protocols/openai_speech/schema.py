"""The fields of a call for speech, and what they may be."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.call import Call
from antigravity.protocols.json_body import bad_field, convert, load_object

SPEECH: Final = "openai_speech"

#: All formats of the endpoint, and what their answers are called.
TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
STREAM_FORMATS: Final = ("audio", "sse")
_MEMO: Final = "speech"


class SpeechBody(Struct):
    """The fields of a call that mean something here; others are named as lost."""

    input: str = ""
    model: str | None = None
    voice: Any = None
    instructions: str | None = None
    response_format: str | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    stream_format: str | None = None


#: Names as they stand on the wire.
_KNOWN: Final = frozenset(SpeechBody.__struct_encode_fields__)


class ParsedCall(Struct):
    """What a call asks for: its fields, and the names and values of those not known here."""

    body: SpeechBody
    unknown: dict[str, Any]

    @property
    def format(self) -> str:
        """How the sound is to be written."""
        return self.body.response_format or "mp3"

    @property
    def events(self) -> bool:
        """Whether it is to come in events."""
        return self.body.stream_format == "sse"


def parse_call(call: Call) -> ParsedCall:
    """Return what a call asks for.

    :raises InvalidRequestError: naming the field at fault.
    """
    known = call.memo.get(_MEMO)
    if not isinstance(known, ParsedCall):
        fields = {name: v for name, v in load_object(call.body).items() if v is not None}
        body: SpeechBody = convert(fields, SpeechBody)
        unknown = {name: value for name, value in fields.items() if name not in _KNOWN}
        known = call.memo[_MEMO] = ParsedCall(body, unknown)
    return known


def check(told: ParsedCall, writable: tuple[str, ...]) -> None:
    """Look whether what is asked for can be had where the gateway writes the sound itself.

    ``writable`` are the formats that it can.

    :raises InvalidRequestError: naming the choices for what cannot.
    """
    body = told.body
    if not body.input.strip():
        raise bad_field("input", "is required: the text to speak")
    if told.format not in TYPES:
        problem = f"is {told.format[:100]!r}, which there is not"
        raise bad_field("response_format", problem, writable)
    if told.format not in writable:
        problem = f"is {told.format}, which the gateway cannot write for this model"
        if told.format == "mp3":
            problem += " (it can with the package lameenc, or antigravity-gateway[mp3])"
        raise bad_field("response_format", problem, writable)
    if body.stream_format not in (None, *STREAM_FORMATS):
        problem = f"is {body.stream_format[:100]!r}, which there is not"
        raise bad_field("stream_format", problem, STREAM_FORMATS)


def options_of(body: SpeechBody) -> SpeechOptions:
    """Return how the text is to be spoken.

    :raises InvalidRequestError: for a voice that is no name.
    """
    voice = body.voice
    if isinstance(voice, dict):
        voice = voice.get("id")
    if voice is not None and not isinstance(voice, str):
        raise bad_field("voice", "must be a name, or an object with an `id`")
    return SpeechOptions(voice or "", (body.instructions or "").strip(), body.speed or 1.0)
