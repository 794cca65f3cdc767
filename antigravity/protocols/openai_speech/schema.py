"""The fields of a call for speech, and their allowed values."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.call import Call
from antigravity.protocols.json_body import bad_field, convert, load_object

SPEECH: Final = "openai_speech"

#: All formats of the endpoint, with the content types of their responses.
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
    """The supported fields of a call; others are reported as losses."""

    input: str = ""
    model: str | None = None
    voice: Any = None
    instructions: str | None = None
    response_format: str | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    stream_format: str | None = None


#: Names on the wire.
_KNOWN: Final = frozenset(SpeechBody.__struct_encode_fields__)


class ParsedCall(Struct):
    """The known fields of a call, and the names and values of the others."""

    body: SpeechBody
    unknown: dict[str, Any]

    @property
    def format(self) -> str:
        """The audio format."""
        return self.body.response_format or "mp3"

    @property
    def events(self) -> bool:
        """Whether the client requests events instead of bare audio."""
        return self.body.stream_format == "sse"


def parse_call(call: Call) -> ParsedCall:
    """Return the fields of a call, parsed once.

    :raises InvalidRequestError: naming the field at fault.
    """
    known = call.memo.get(_MEMO)
    if not isinstance(known, ParsedCall):
        fields = {name: v for name, v in load_object(call.body).items() if v is not None}
        body: SpeechBody = convert(fields, SpeechBody)
        unknown = {name: value for name, value in fields.items() if name not in _KNOWN}
        known = call.memo[_MEMO] = ParsedCall(body, unknown)
    return known


def check(parsed: ParsedCall, writable: tuple[str, ...]) -> None:
    """Check a call for which the gateway itself encodes the audio.

    :param writable: the formats that it can encode.
    :raises InvalidRequestError: if a value is not allowed; the error names the allowed ones.
    """
    body = parsed.body
    if not body.input.strip():
        raise bad_field("input", "is required: the text to speak")
    if parsed.format not in TYPES:
        problem = f"has an unknown value: {parsed.format[:100]!r}"
        raise bad_field("response_format", problem, writable)
    if parsed.format not in writable:
        problem = f"is {parsed.format}, which the gateway cannot encode for this model"
        if parsed.format == "mp3":
            problem += " (to enable it, install antigravity-gateway[mp3])"
        raise bad_field("response_format", problem, writable)
    if body.stream_format not in (None, *STREAM_FORMATS):
        problem = f"has an unknown value: {body.stream_format[:100]!r}"
        raise bad_field("stream_format", problem, STREAM_FORMATS)


def options_of(body: SpeechBody) -> SpeechOptions:
    """Return the options for speaking the text.

    :raises InvalidRequestError: if the voice is not a name.
    """
    voice = body.voice
    if isinstance(voice, dict):
        voice = voice.get("id")
    if voice is not None and not isinstance(voice, str):
        raise bad_field("voice", "must be a name, or an object with an `id`")
    return SpeechOptions(voice or "", (body.instructions or "").strip(), body.speed or 1.0)
