"""Formats of recordings: by name, by content, and how long they are."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.openai_transcriptions.audio_file import CONTENTS, audio_type
from antigravity.protocols.openai_transcriptions.duration import duration_of
from tests.protocols.openai_transcriptions.builders import wav

MP4 = struct.pack(">I4s4sI", 24, b"ftyp", b"M4A ", 0) + bytes(8)
FILM = MP4 + b"....hdlr" + bytes(8) + b"vide" + bytes(12)
FILES = {
    "mp3": b"ID3\x04" + bytes(40),
    "mpga": b"\xff\xfb\x90\x64" + bytes(40),
    "mpeg": b"\0\0\0\xff\xfb\x90\x64" + bytes(40),
    "wav": wav(0.01),
    "m4a": MP4,
    "mp4": MP4.replace(b"M4A ", b"isom"),
    "ogg": b"OggS" + bytes(40),
    "oga": b"OggS" + bytes(40),
    "opus": b"OggS" + bytes(40),
    "flac": b"fLaC" + bytes(40),
    "aiff": b"FORM\0\0\0\0AIFF" + bytes(40),
    "aif": b"FORM\0\0\0\0AIFC" + bytes(40),
    "webm": b"\x1aE\xdf\xa3" + bytes(40),
    "aac": b"\xff\xf1\x50\x80" + bytes(40),
}
TYPES = {
    "mp3": "audio/mpeg", "mpga": "audio/mpeg", "mpeg": "audio/mpeg", "wav": "audio/wav",
    "m4a": "audio/mp4", "mp4": "audio/mp4", "ogg": "audio/ogg", "oga": "audio/ogg",
    "opus": "audio/ogg", "flac": "audio/flac", "aiff": "audio/aiff", "aif": "audio/aiff",
    "webm": "audio/webm", "aac": "audio/aac",
}  # fmt: skip


def found(filename: str, data: bytes) -> str:
    return audio_type(filename, b"before" + data + b"after", 6, 6 + len(data))


def test_every_format_has_a_file_here() -> None:
    assert set(FILES) == set(CONTENTS)


@pytest.mark.parametrize("name", FILES)
def test_formats_by_name_and_content(name: str) -> None:
    assert found(f"talk.{name}", FILES[name]) == TYPES[name]
    assert found(f"TALK.{name.upper()}", FILES[name]) == TYPES[name]
    assert found("blob", FILES[name]) == TYPES[name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", FILES)
def test_names_that_contradict_the_content(name: str, other: str) -> None:
    if TYPES[name] == TYPES[other]:
        return
    with pytest.raises(
        InvalidRequestError, match=r"has the extension .* but its content"
    ) as refused:
        found(f"talk.{name}", FILES[other])
    assert "mp3, wav, m4a, ogg, flac, aiff" in refused.value.message
    assert refused.value.param == "file"


@pytest.mark.parametrize(
    ("filename", "data", "problem"),
    [
        ("a.txt", b"hello", "is not a recording"),
        ("a.mp3", b"hello", "is not a recording"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.wma", FILES["wav"], "not an audio format"),
        ("a.wav", b"", "is empty"),
    ],
)
def test_invalid_recording_is_rejected(filename: str, data: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        found(filename, data)


def test_video_is_distinguished_from_audio() -> None:
    assert found("a.mp4", FILM) == "video/mp4"
    assert audio_type("a.mp4", MP4 + FILM, 0, len(MP4)) == "audio/mp4"


def length(mime_type: str, data: bytes) -> float | None:
    return duration_of(mime_type, b"xyz" + data + b"OggSmvhd" * 4, 3, 3 + len(data))


def test_duration_of_recording_is_read() -> None:
    assert length("audio/wav", wav(1.25)) == 1.25
    unknown = wav(2.0).replace(struct.pack("<I", 32000), b"\xff\xff\xff\xff")
    assert length("audio/wav", unknown) == 2.0
    rate = struct.pack(">HQ", 16383 + 15, 44100 << 48)
    common = struct.pack(">4sIhIh", b"COMM", 18, 1, 88200, 16) + rate
    assert length("audio/aiff", b"FORM\0\0\0\0AIFF" + common) == 2.0
    packed = 16000 << 44 | 15 << 36 | 48000
    assert length("audio/flac", b"fLaC" + bytes(14) + struct.pack(">Q", packed)) == 3.0
    header = struct.pack(">4sI8xII", b"mvhd", 0, 1000, 4500)
    assert length("audio/mp4", MP4 + header) == 4.5
    wide = struct.pack(">4sI16xIQ", b"mvhd", 1 << 24, 1000, 5500)
    assert length("audio/mp4", MP4 + wide) == 5.5


def test_recordings_with_many_chunks_are_read_fast() -> None:
    began = time.process_time()
    assert length("audio/wav", b"RIFF\0\0\0\0WAVE" + bytes(8_000_000)) is None
    assert length("audio/aiff", b"FORM\0\0\0\0AIFF" + bytes(8_000_000)) is None
    assert time.process_time() - began < 0.2


def page(position: int, content: bytes) -> bytes:
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, position, 1, 0, 0, 1)
    return head + bytes([len(content)]) + content


def test_duration_of_ogg_is_read() -> None:
    opus = page(0, struct.pack("<8sBBHI", b"OpusHead", 1, 1, 312, 16000))
    assert length("audio/ogg", opus + page(48000 * 2 + 312, b"x")) == 2.0
    vorbis = page(0, b"\x01vorbis" + struct.pack("<IBI", 0, 1, 44100))
    assert length("audio/ogg", vorbis + page(44100, b"x")) == 1.0
    assert length("audio/ogg", page(0, b"\x7fFLAC") + page(44100, b"x")) is None


def test_duration_of_mp3_is_read() -> None:
    frame = b"\xff\xfb\x90\x64"  # MPEG 1, layer III, 128 kbit/s, 44.1 kHz
    assert length("audio/mpeg", frame + bytes(16000 * 3 - 4)) == 3.0
    tagged = b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128) + frame + bytes(16000 - 4)
    assert length("audio/mpeg", tagged) == 1.0
    counted = frame + bytes(32) + b"Xing" + struct.pack(">II", 1, 1000) + bytes(400)
    assert length("audio/mpeg", counted) == round(1000 * 1152 / 44100, 3)


@given(st.sampled_from(sorted(set(TYPES.values()))), st.binary(max_size=200))
def test_broken_recordings_have_no_length_and_do_no_harm(mime_type: str, data: bytes) -> None:
    for name, file in FILES.items():
        if TYPES[name] == mime_type:
            seconds = length(mime_type, file[:12] + data)
            assert seconds is None or seconds > 0
