"""Times as models give them, put right; and captions of them."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import UpstreamError
from antigravity.protocols.openai_transcriptions.captions import srt, vtt
from antigravity.protocols.openai_transcriptions.segments import (
    Segment,
    join_texts,
    parse,
    to_seconds,
)
from tests.protocols.openai_transcriptions.builders import timed

MOMENTS = st.floats(0, 10_000, allow_nan=False)
ITEMS = st.lists(st.tuples(MOMENTS, MOMENTS, st.text(max_size=20)), max_size=12)
CUE = re.compile(r"(\d{2,}):(\d\d):(\d\d)[,.](\d{3}) --> (\d{2,}):(\d\d):(\d\d)[,.](\d{3})")


@given(ITEMS, st.one_of(st.none(), st.floats(0.001, 5000)))
def test_times_are_ordered_and_within_the_recording(
    items: list[tuple[float, float, str]], seconds: float | None
) -> None:
    transcript = parse(timed(*items), seconds)
    segments = transcript.segments
    assert [s.text for s in segments] == [
        said for _, _, t in items if (said := " ".join(t.split()))
    ]
    for before, after in pairwise(segments):
        assert before.start <= after.start
    for segment in segments:
        assert 0 <= segment.start <= segment.end
        if seconds is not None:
            assert segment.end <= round(seconds, 3)
    if seconds is not None:
        assert transcript.seconds == seconds


@given(ITEMS)
def test_valid_times_are_unchanged(items: list[tuple[float, float, str]]) -> None:
    edges = sorted(round(number, 3) for start, end, _ in items for number in (start, end))
    good = [(a, b, "word") for a, b in zip(edges[::2], edges[1::2], strict=True)]
    segments = parse(timed(*good), None).segments
    assert [(s.start, s.end, s.text) for s in segments] == good


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (65.5, 65.5),
        (0, 0.0),
        ("65.5", 65.5),
        ("65,5 s", 65.5),
        ("01:05.5", 65.5),
        ("1:02:03,250", 3723.25),
        ("00:07", 7.0),
    ],
)
def test_times_in_all_spellings(value: Any, seconds: float) -> None:
    assert to_seconds(value) == seconds


@pytest.mark.parametrize("value", [None, -1, True, "soon", "1:2:3:4", [], float("inf"), "NaN"])
def test_invalid_time_is_rejected(value: Any) -> None:
    with pytest.raises(ValueError, match="not a time"):
        to_seconds(value)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        '{"segments": [',
        "[]",
        "{}",
        '{"segments": "none"}',
        '{"segments": [1]}',
        '{"segments": [{"start": 0, "end": 1}]}',
        '{"segments": [{"start": "x", "end": 1, "text": "y"}]}',
        timed((0, 1, "a"), words="none"),
        "[" * 5000,
    ],
)
def test_malformed_responses_can_be_retried(answer: str) -> None:
    with pytest.raises(UpstreamError, match="form") as failed:
        parse(answer, 10.0)
    assert failed.value.retryable


def test_markdown_around_json_does_no_harm() -> None:
    answer = timed((0, 1, "Hello."), (1, 2, "World."))
    for wrapped in (f"```json\n{answer}\n```", f"\n```\n{answer}\n```\n"):
        assert parse(wrapped, None) == parse(answer, None)


def test_words_speakers_and_language() -> None:
    segments = [{"start": 0, "end": 1, "text": "Hi", "speaker": " B "}]
    words = [{"start": 0.1, "end": 0.4, "word": " Hi "}]
    answer = {"language": " German ", "segments": segments, "words": words}
    transcript = parse(json.dumps(answer), None)
    assert transcript.segments == (Segment(0.0, 1.0, "Hi", "B"),)
    assert transcript.words == (Segment(0.1, 0.4, "Hi"),)
    assert transcript.language == "german"
    assert transcript.seconds == 1.0


def test_silence() -> None:
    transcript = parse(timed(), 3.0)
    assert transcript.text == ""
    assert srt(transcript.segments) == ""
    assert vtt(transcript.segments) == "WEBVTT\n"


def test_texts_are_joined_with_space_where_script_needs_it() -> None:
    assert join_texts(["Hello", "world."]) == "Hello world."
    assert join_texts(["今日は", "いい天気"]) == "今日はいい天気"
    assert join_texts(["오늘은", "날씨가"]) == "오늘은 날씨가"
    assert join_texts([]) == ""


def milliseconds(groups: tuple[str, ...]) -> int:
    hours, minutes, seconds, rest = map(int, groups)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


@given(ITEMS)
def test_captions_can_be_read_back(items: list[tuple[float, float, str]]) -> None:
    segments = parse(timed(*items), None).segments
    text = srt(segments)
    blocks = [block for block in text.split("\n\n") if block]
    assert len(blocks) == len(segments)
    for number, (block, segment) in enumerate(zip(blocks, segments, strict=True), 1):
        index, times, said = block.rstrip("\n").split("\n")
        assert index == str(number)
        assert said == segment.text
        cue = CUE.fullmatch(times)
        assert cue is not None
        start, end = milliseconds(cue.groups()[:4]), milliseconds(cue.groups()[4:])
        assert start == round(segment.start * 1000)
        assert start < end


@given(ITEMS)
def test_caption_syntax_in_text_is_escaped(items: list[tuple[float, float, str]]) -> None:
    segments = parse(timed(*items, (1, 2, "a --> b\n\n<c> & d")), None).segments
    lines = vtt(segments).split("\n")
    assert lines[0] == "WEBVTT"
    assert sum("-->" in line for line in lines) == len(segments)
    assert all(CUE.fullmatch(line) for line in lines if "-->" in line)
    assert "a --&gt; b &lt;c&gt; &amp; d" in lines


def test_captions_are_encoded() -> None:
    segments = (
        Segment(0.0, 2.5, "One."),
        Segment(2.0, 2.0, "Two."),
        Segment(3723.004, 3724.0, "Three."),
    )
    assert srt(segments) == (
        "1\n00:00:00,000 --> 00:00:02,000\nOne.\n\n"
        "2\n00:00:02,000 --> 00:00:02,001\nTwo.\n\n"
        "3\n01:02:03,004 --> 01:02:04,000\nThree.\n"
    )
    assert vtt(segments[:1]) == "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nOne.\n"
