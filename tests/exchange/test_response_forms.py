"""The form of a response is told by its bytes, however they arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams.event_parsers import AnyFormParser, WholeBodyParser
from antigravity.exchange.streams.json_splitter import JsonSplitter
from antigravity.exchange.streams.lone_surrogates import SurrogateJoiner
from antigravity.exchange.streams.response_form import TEXT_LIMIT, FormDetector, ResponseSource
from antigravity.ir.errors import UnusableResponseError
from antigravity.sse import EventTooLargeError, ServerSentEvent
from tests.support.chunks import split_bytes

CUTS = st.lists(st.integers(1, 9), max_size=60)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(_TEXT, VALUES, max_size=3), min_size=1, max_size=4)


def read(frames: Any, data: bytes, sizes: list[int]) -> list[bytes]:
    events = [event for piece in split_bytes(data, sizes) for event in frames.feed(piece)]
    return [event.data for event in [*events, *frames.close()]]


@given(OBJECTS, CUTS, st.sampled_from(("\n", "\r\n", " ", "\x1e", "")), st.sampled_from((None, 2)))
def test_json_splitter_finds_same_values_for_any_chunks(
    objects: list[Any], sizes: list[int], between: str, indent: int | None
) -> None:
    texts = [json.dumps(each, indent=indent) for each in objects]
    for data in (between.join(texts), f"[{','.join(texts)}]", f"\n[ {' ,'.join(texts)}\n]\n"):
        found = read(JsonSplitter(), data.encode(), sizes)
        assert [json.loads(each) for each in found] == objects


@given(OBJECTS, CUTS)
def test_parser_finds_same_events_in_every_form(objects: list[Any], sizes: list[int]) -> None:
    texts = [json.dumps(each) for each in objects]
    forms = [
        "\n".join(texts),
        f"[{', '.join(texts)}]",
        "".join(f"data: {text}\n\n" for text in texts),
        ": comment\n\n" + "".join(f"event: x\r\ndata:{text}\r\n\r\n" for text in texts),
        "\ufeff \n" + "\n".join(texts),
    ]
    for form in forms:
        found = read(AnyFormParser(), form.encode(), sizes)
        assert [json.loads(each) for each in found] == objects


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"data: {}", "events"),
        (b"event: x\n", "events"),
        (b": ping", "events"),
        (b"id: 1\ndata: x", "events"),
        (b"retry:100\n", "events"),
        (b"\xef\xbb\xbfdata:x", "events"),
        (b"", "events"),
        (b"  \n ", "events"),
        (b" {", "json"),
        (b"\xef\xbb\xbf[", "json"),
        (b"<html>", "html"),
        (b"<?xml?>", "html"),
        (b"database is down", "text"),
        (b"Not found", "text"),
        (b"x-own: 1\ndata: {}", "events"),
    ],
)
def test_form_detector_detects_form(data: bytes, form: str) -> None:
    for size in (1, 3, 100):
        detector = FormDetector()
        found = None
        for place in range(0, len(data), size):
            found = found or detector.feed(data[place : place + size])
        assert (found or detector.end()) == form


def test_form_detector_keeps_bounded_text() -> None:
    detector = FormDetector()
    assert [detector.feed(b"x" * 1000) for _ in range(4)][-1] == "text"
    assert len(detector.head) <= TEXT_LIMIT + 2000


def test_form_detector_drops_leading_white_space() -> None:
    frames = AnyFormParser()
    for _ in range(100):
        assert frames.feed(b" \n" * 1000) == []
    assert [event.data for event in frames.feed(b'{"a":1}')] == [b'{"a":1}']


def test_value_beyond_limit_is_refused() -> None:
    frames = AnyFormParser(limit=100)
    with pytest.raises(EventTooLargeError):
        frames.feed(b'{"a":"' + b"x" * 200)


def test_unusable_response_error_names_upstream_and_remedy() -> None:
    frames = AnyFormParser(ResponseSource("mine", "text/html; charset=x"))
    with pytest.raises(UnusableResponseError, match=r"mine sent text/html .*check its base_url"):
        frames.feed(b"<!doctype html>")


def test_unusable_response_error_quotes_beginning_of_text() -> None:
    frames = AnyFormParser(ResponseSource("mine", "text/plain"))
    frames.feed(b"Please log in" + b"!" * 1000)
    with pytest.raises(UnusableResponseError, match="Please log in") as caught:
        frames.close()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("body", [b'{"a":1}', b'data: {"a":1}\n\n', b'\n{"a":1}'])
def test_whole_body_parser_reads_events(body: bytes) -> None:
    whole = WholeBodyParser()
    whole.feed(body)
    assert [json.loads(event.data) for event in whole.close()] == [{"a": 1}]


def test_truncated_json_has_no_event() -> None:
    frames = AnyFormParser()
    frames.feed(b'{"a":1}\n{"b"')
    assert frames.close_truncated() == []


# -- halves ------------------------------------------------------------------------------------


def joined(*data: bytes) -> list[bytes]:
    joiner = SurrogateJoiner()
    events = [event for each in data for event in joiner.feed(ServerSentEvent("", each))]
    return [event.data for event in [*events, *joiner.close()]]


def test_events_without_lone_surrogates_are_unchanged() -> None:
    joiner = SurrogateJoiner()
    event = ServerSentEvent("", rb'{"text":"\ud83d\ude00 \\ud83d \n"}')
    assert joiner.feed(event) == (event,)
    assert joiner.feed(event)[0] is event
    assert joiner.close() == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([rb'{"t":"a\ud83d"}', rb'{"t":"\ude00b"}'], ["a", "\U0001f600b"]),
        ([rb'{"t":"a\uD83D"}', rb'{"x":1}', rb'{"t":"\uDE00"}'], ["a", None, "\U0001f600"]),
        ([rb'{"t":"a\ud83d"}', rb'{"t":"b"}'], ["a\ufffd", "b"]),
        (
            [rb'{"t":"a\ud83d"}', rb'{"t":"\ud83d"}', rb'{"t":"\ude00"}'],
            ["a\ufffd", "", "\U0001f600"],
        ),
        ([rb'{"t":"a\ud83d"}'], ["a\ufffd"]),
        ([rb'{"t":"\ude00"}'], ["\ufffd"]),
        ([rb'{"t":"a\ud83d"}', rb'{"u":"\ude00"}'], ["a\ufffd", None]),
        ([b'{"t":"a\xed\xa0\xbd"}', b'{"t":"\xed\xb8\x80"}'], ["a", "\U0001f600"]),
        ([rb'{"t":"\\\ud83d"}', rb'{"t":"\ude00"}'], ["\\", "\U0001f600"]),
    ],
)
def test_lone_surrogates_are_joined_or_replaced(
    data: list[bytes], expected: list[str | None]
) -> None:
    assert [json.loads(each).get("t") for each in joined(*data)] == expected


@pytest.mark.parametrize(
    "name",
    ["text", "content", "thinking", "reasoning_content", "partial_json", "arguments", "delta"],
)
def test_lone_surrogates_are_joined_in_any_member(name: str) -> None:
    first = f'{{"index":1,"delta":{{"type":"x","{name}":"a\\ud83d"}}}}'.encode()
    second = f'{{"index":1,"delta":{{"type":"x","{name}":"\\ude00b"}}}}'.encode()
    found = [json.loads(each)["delta"][name] for each in joined(first, second)]
    assert found == ["a", "\U0001f600b"]


def test_log_probabilities_do_not_prevent_joining() -> None:
    probable = rb'"logprobs":{"content":[{"token":"\ud83d","logprob":-1.0}]}'
    first = rb'{"index":0,"delta":{"content":"a\ud83d"},' + probable + b"}"
    second = rb'{"index":0,"delta":{"content":"\ude00b"},' + probable + b"}"
    found = [json.loads(each)["delta"]["content"] for each in joined(first, second)]
    assert found == ["a", "\U0001f600b"]


def test_lone_surrogates_of_different_choices_are_not_joined() -> None:
    first = rb'{"choices":[{"index":0,"delta":{"content":"\ud83d"}}]}'
    other = rb'{"choices":[{"index":1,"delta":{"content":"\ude00"}}]}'
    text = [json.loads(each)["choices"][0]["delta"]["content"] for each in joined(first, other)]
    assert text == ["\ufffd", "\ufffd"]


def test_few_events_are_held_for_low_surrogate() -> None:
    joiner = SurrogateJoiner()
    out: list[ServerSentEvent] = []
    for number in range(100):
        data = rb'{"t":"\ud83d"}' if number == 0 else b'{"ping":1}'
        out += joiner.feed(ServerSentEvent("", data))
    assert len(out) >= 80


@given(st.lists(st.sampled_from((r"\ud83d", r"\ude00", "a", r"\\", r"\n")), max_size=12))
def test_repaired_events_are_valid_utf8(parts: list[str]) -> None:
    data = [f'{{"t":"{part}"}}'.encode() for part in parts]
    texts = [json.loads(each)["t"] for each in joined(*data)]
    text = "".join(texts)
    text.encode()  # there are no halves left
    whole = json.loads(f'"{"".join(parts)}"')
    whole = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert text.count("\U0001f600") == whole.count("\U0001f600")
    assert [t for t in text if t.isascii()] == [t for t in whole if t.isascii()]
