"""Transcripts as clients get them: whole, and as events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    LogprobsDelta,
    RefusalDelta,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.response import Response, fold
from antigravity.ir.usage import Usage
from tests.protocols.openai_transcriptions.builders import (
    TRANSCRIBE,
    TRANSLATE,
    call,
    context,
    events,
    timed,
    wav,
)

USAGE = Usage(input_total=100, output=9, audio_input=80)
TOKENS = {
    "type": "tokens",
    "input_tokens": 100,
    "input_token_details": {"audio_tokens": 80, "text_tokens": 20},
    "output_tokens": 9,
    "total_tokens": 109,
}
TIMES = timed((0, 1.5, "Hello there."), (1.5, 9, "Bye."))


def answer(text: str, finish: FinishReason = "stop", refusal: str = "") -> Response:
    """Return a model's whole answer."""
    said: list[Event] = [RefusalDelta(refusal)] if refusal else []
    return fold([TextDelta(text), *said, UsageUpdate(USAGE), Finish(finish)])


def reply(text: str, *fields: tuple[str, str], english: bool = False) -> tuple[str, bytes]:
    """Return type and body of what the client gets for a recording of two seconds."""
    asked = call(("model", "m"), *fields, data=wav(2.0), english=english)
    made = (TRANSLATE if english else TRANSCRIBE).encode_response(answer(text), context(asked))
    assert made.status == 200
    return made.content_type, made.body


def in_format(text: str, name: str, *fields: tuple[str, str]) -> Any:
    kind, body = reply(text, ("response_format", name), *fields)
    if kind == "application/json":
        return json.loads(body)
    assert kind == "text/plain; charset=utf-8"
    return body.decode()


def test_json_and_text() -> None:
    assert in_format(" Grüße! \n", "json") == {"text": "Grüße!", "usage": TOKENS}
    assert in_format(" Grüße! \n", "text") == "Grüße!\n"


@pytest.mark.parametrize("said", ["[no speech]", " [no speech].\n"])
def test_silence_is_an_empty_transcript(said: str) -> None:
    assert in_format(said, "json")["text"] == ""
    assert in_format(timed(), "verbose_json")["text"] == ""


def test_captions_are_srt_or_vtt() -> None:
    assert in_format(TIMES, "srt").startswith("1\n00:00:00,000 --> 00:00:01,500\nHello there.\n")
    assert in_format(TIMES, "vtt").startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello")


def test_verbose_json_has_segments() -> None:
    body = in_format(TIMES, "verbose_json", ("temperature", "0.5"))
    segments = body.pop("segments")
    assert body == {
        "task": "transcribe",
        "language": "english",
        "duration": 2.0,
        "text": "Hello there. Bye.",
        "usage": {"type": "duration", "seconds": 2.0},
    }
    assert [(s["id"], s["start"], s["end"], s["text"]) for s in segments] == [
        (0, 0.0, 1.5, "Hello there."),
        (1, 1.5, 2.0, "Bye."),
    ]
    assert segments[0]["temperature"] == 0.5


def test_granularities_select_segments_and_words() -> None:
    said = timed((0, 1, "Hi you"), words=[{"start": 0, "end": 0.5, "word": "Hi"}])
    word, segment = (("timestamp_granularities[]", name) for name in ("word", "segment"))
    only = in_format(said, "verbose_json", word)
    assert only["words"] == [{"word": "Hi", "start": 0.0, "end": 0.5}]
    assert "segments" not in only
    both = in_format(said, "verbose_json", word, segment)
    assert both["words"]
    assert both["segments"]


def test_diarized_json_names_speakers() -> None:
    listed = [
        {"start": 0, "end": 1, "text": "Hi.", "speaker": "A"},
        {"start": 1, "end": 2, "text": "Ho.", "speaker": "B"},
    ]
    body = in_format(json.dumps({"language": "x", "segments": listed}), "diarized_json")
    assert body["text"] == "Hi. Ho."
    assert body["usage"] == TOKENS
    assert [(s["id"], s["speaker"], s["type"]) for s in body["segments"]] == [
        ("seg_0", "A", "transcript.text.segment"),
        ("seg_1", "B", "transcript.text.segment"),
    ]


def test_translations_are_english() -> None:
    kind, raw = reply(TIMES, ("response_format", "verbose_json"), english=True)
    assert kind == "application/json"
    body = json.loads(raw)
    assert (body["task"], body["language"]) == ("translate", "english")


def test_logprobs_are_in_json() -> None:
    listed = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]
    asked = call(("model", "m"), ("include[]", "logprobs"))
    said = fold([TextDelta("Hi"), LogprobsDelta(listed), Finish("stop")])
    body = json.loads(TRANSCRIBE.encode_response(said, context(asked)).body)
    assert body["logprobs"] == [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}]


@pytest.mark.parametrize(
    ("finish", "refusal", "code"),
    [
        ("length", "", "transcript_too_long"),
        ("content_filter", "", "content_filter"),
        ("refusal", "", "content_filter"),
        ("stop", "I will not.", "content_filter"),
    ],
)
def test_incomplete_transcript_is_an_error(finish: FinishReason, refusal: str, code: str) -> None:
    asked = call(("model", "m"))
    with pytest.raises(InvalidRequestError) as failed:
        TRANSCRIBE.encode_response(answer("Hel", finish, refusal), context(asked))
    assert failed.value.code == code
    last = stream([TextDelta("Hel"), RefusalDelta(refusal), Finish(finish)])[-1]
    assert last["error"]["code"] == code


def test_malformed_times_are_an_upstream_error() -> None:
    with pytest.raises(UpstreamError, match="form"):
        in_format("certainly!", "srt")


def stream(said: list[Event], *fields: tuple[str, str]) -> list[Any]:
    asked = call(("model", "m"), ("stream", "true"), *fields, data=wav(2.0))
    encoder = TRANSCRIBE.encoder(context(asked))
    out = b"".join([encoder.encode(event) for event in said]) + encoder.end()
    assert encoder.end() == b""
    assert encoder.encode(TextDelta("more")) == b""
    assert encoder.keepalive() == b""
    return events(out)


@given(st.lists(st.text(alphabet="[no speech]. ab\n", max_size=12), max_size=8))
def test_streamed_text_adds_up(pieces: list[str]) -> None:
    *deltas, done = stream([*map(TextDelta, pieces), UsageUpdate(USAGE), Finish("stop")])
    whole = "".join(pieces).strip()
    silent = whole.rstrip(".") == "[no speech]"
    assert done == {
        "type": "transcript.text.done",
        "text": "" if silent else whole,
        "usage": TOKENS,
    }
    assert {event["type"] for event in deltas} <= {"transcript.text.delta"}
    said = "".join(event["delta"] for event in deltas)
    assert said.strip() == ("" if silent else whole)


def test_segments_with_speakers_are_streamed_at_the_end() -> None:
    listed = [{"start": 5, "end": 1, "text": "Hi.", "speaker": "A"}]
    said = json.dumps({"language": "x", "segments": listed})
    halves: list[Event] = [TextDelta(said[:20]), TextDelta(said[20:]), Finish("stop")]
    segment, done = stream(halves, ("response_format", "diarized_json"))
    assert (segment["type"], segment["start"], segment["end"]) == (
        "transcript.text.segment",
        2.0,
        2.0,
    )
    assert done["text"] == "Hi."


def test_incomplete_stream_ends_with_an_error() -> None:
    failure = UpstreamError("It went wrong.")
    last = stream([TextDelta("Hel"), StreamFailure(failure)])[-1]
    assert last["error"]["message"] == "It went wrong."
    assert stream([TextDelta("Hel")])[-1]["type"] == "error"
    bad = stream([TextDelta("no"), Finish("stop")], ("response_format", "diarized_json"))
    assert [event["type"] for event in bad] == ["error"]
