"""What the documentation says of sound is what the code does."""

from __future__ import annotations

import re

from antigravity.config.settings import AudioSettings
from antigravity.protocols.openai_speech.schema import STREAM_FORMATS, TYPES
from antigravity.protocols.openai_transcriptions.audio_file import CONTENTS
from antigravity.protocols.openai_transcriptions.schema import (
    FORMATS,
    GRANULARITIES,
    LISTS,
    STREAMED,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    TranscriptBody,
)
from antigravity.routing.capability_table import load_table
from tests.house.pages import tables
from tests.support.pages import ROOT

PAGE = "docs/audio.rst"
TEXT = (ROOT / PAGE).read_text("utf-8")


def rows(head: str, place: int = 0) -> dict[str, str]:
    """Return the rows of one of the tables whose first heading is ``head``."""
    found = [each for each in tables(PAGE) if each[0][0] == head][place]
    return {row[0]: " ".join(row[1].split()) for row in found[1:]}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9_]+", text))


def test_every_recording_format_is_documented() -> None:
    said = rows("Parameter")["file"].partition(":")[2].partition(".")[0]
    assert re.split(r", | or ", said.strip()) == list(CONTENTS)


def test_every_transcription_parameter_is_documented() -> None:
    named = {name for cell in rows("Parameter") for name in cell.split(", ")}
    fields = set(TranscriptBody.__struct_encode_fields__) - {"model"}
    assert named == {name + "[]" * (name in LISTS) for name in fields} | {"file"}


def test_transcription_formats_are_documented() -> None:
    said = rows("Parameter")
    assert words(said["response_format"]) >= set(FORMATS[TRANSCRIPTIONS])
    assert set(FORMATS[TRANSCRIPTIONS]) - set(FORMATS[TRANSLATIONS]) == {"diarized_json"}
    assert words(said["stream"]) >= set(STREAMED)
    assert not words(said["stream"]) & (set(FORMATS[TRANSCRIPTIONS]) - set(STREAMED))
    assert words(said["timestamp_granularities[]"]) >= set(GRANULARITIES)


def test_audio_limit_is_documented() -> None:
    assert AudioSettings().max_inline_bytes == 15 * 1024 * 1024
    assert "15 MiB (``audio.max_inline_bytes``)" in TEXT


def test_speech_formats_are_documented() -> None:
    said = rows("Parameter", 1)
    assert words(said["response_format"]) >= set(TYPES)
    written, _, refused = said["response_format"].partition("channel).")
    assert {"mp3", "wav", "pcm"} <= words(written)
    assert {"opus", "aac", "flac"} <= words(refused)
    assert words(said["stream_format"]) >= set(STREAM_FORMATS)


def test_voice_replacements_are_documented() -> None:
    own = load_table(()).capabilities(AudioSettings().speech_model)
    assert rows("OpenAI's voice") == own.voice_names


def test_default_audio_models_have_capabilities() -> None:
    known = load_table(())
    assert "audio" in known.capabilities(AudioSettings().transcription_model).inputs
    assert known.capabilities(AudioSettings().speech_model).outputs == ("audio",)
