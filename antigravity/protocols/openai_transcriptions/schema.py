"""The fields of a call for a transcript, and their allowed values."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

TRANSCRIPTIONS: Final = "openai_transcriptions"
TRANSLATIONS: Final = "openai_translations"

#: The formats with times.
TIMED: Final = ("verbose_json", "srt", "vtt", "diarized_json")
STREAMED: Final = ("json", "text", "diarized_json")
FORMATS: Final = {
    TRANSCRIPTIONS: ("json", "text", *TIMED),
    TRANSLATIONS: ("json", "text", "verbose_json", "srt", "vtt"),
}
GRANULARITIES: Final = ("segment", "word")

#: The part of the form that holds the recording.
FILE: Final = "file"
#: Fields that can occur several times, with or without brackets after their name.
LISTS: Final = ("timestamp_granularities", "include", "languages", "keywords")


class TranscriptBody(Struct):
    """The supported fields of a form; others are reported as losses."""

    model: str | None = None
    language: str | None = None
    languages: list[str] = []
    keywords: list[str] = []
    prompt: str | None = None
    response_format: str = "json"
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    stream: bool = False
    timestamp_granularities: list[str] = []
    include: list[str] = []


#: Names on the wire.
KNOWN: Final = frozenset(TranscriptBody.__struct_encode_fields__)
