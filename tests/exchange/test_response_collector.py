"""Answers of upstreams that cannot stream, on the way that streams take."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams import event_source
from antigravity.exchange.streams.bounds import ITEM_LIMIT
from antigravity.exchange.streams.event_parsers import WholeBodyParser
from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.passed_through import PassedThroughStream
from antigravity.exchange.streams.translated import ResponseCollector, TranslatedStream
from antigravity.ir.errors import UpstreamError
from antigravity.ir.events import Event, Finish, ResponseStart, StreamFailure, TextDelta
from antigravity.lowering.pipeline import EventPipeline
from antigravity.sse import EventTooLargeError, ServerSentEvent


class Decoder:
    """Says what the body says."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        self.bodies.append(event.data)
        if not event.data:
            return [StreamFailure(UpstreamError("nothing"))]
        return [ResponseStart(), TextDelta(event.data.decode("latin-1")), Finish("stop")]

    def close(self) -> Sequence[Event]:
        return () if self.bodies else [StreamFailure(UpstreamError("it broke off"))]


def source(decoder: Decoder) -> EventSource:
    return EventSource(decoder, EventPipeline(()), None, None, lambda: 1, whole=True)  # type: ignore[arg-type]


@given(st.lists(st.text('ab{":\n \u2603', max_size=20).map(str.encode)))
def test_whole_body_is_one_event_however_chunked(chunks: list[bytes]) -> None:
    chunks = [b"{", *chunks]
    body = b"".join(chunks)
    decoder = Decoder()
    collector = ResponseCollector(source(decoder))
    for chunk in chunks:
        assert collector.feed(chunk) == b""
    collector.end(None)
    assert decoder.bodies == [body]
    assert collector.response().choices[0].text == body.decode("latin-1")


def test_truncated_body_is_not_decoded() -> None:
    decoder = Decoder()
    folded = ResponseCollector(source(decoder))
    folded.feed(b'{"half":')
    why = UpstreamError("the connection was lost")
    folded.end(why)
    assert decoder.bodies == []
    assert folded.failure is why


def test_whole_body_beyond_limit_is_refused() -> None:
    body = WholeBodyParser(10)
    body.feed(b"12345")
    body.feed(b"12345")
    with pytest.raises(EventTooLargeError, match="10 bytes"):
        body.feed(b"1")
    endless = source(Decoder())
    endless._parser = WholeBodyParser(3)
    (failure,) = endless.feed(b"12345")
    assert isinstance(failure, StreamFailure)


class FailingCollector(Decoder):
    """Fails at the first event, like a decoder of a malformed one."""

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        return [ResponseStart(), TextDelta("a"), StreamFailure(UpstreamError("nonsense"))]


class NamesEncoder:
    """An encoder that writes what it is told."""

    def encode(self, event: Event) -> bytes:
        return type(event).__name__.encode() + b" "

    def end(self) -> bytes:
        return b"end"


@pytest.mark.parametrize("whole", [False, True])
def test_stream_is_over_after_failure(whole: bool) -> None:
    events = EventSource(FailingCollector(), EventPipeline(()), None, None, lambda: 1)  # type: ignore[arg-type]
    stream = ResponseCollector(events) if whole else TranslatedStream(events, NamesEncoder())  # type: ignore[arg-type]
    out = stream.feed(b"data: {}\n\n")
    assert stream.over
    assert stream.failure is not None
    assert out == (b"" if whole else b"ResponseStart TextDelta StreamFailure ")
    assert stream.feed(b"data: {}\n\n") == b""
    assert stream.end(None) == b""


@pytest.mark.parametrize("whole", [True, False])
def test_event_of_too_many_items_fails_before_it_is_decoded(whole: bool) -> None:
    decoder = Decoder()
    events = EventSource(decoder, EventPipeline(()), None, None, lambda: 1, whole=whole)  # type: ignore[arg-type]
    found = [*events.feed(b"data: [" + b"1," * ITEM_LIMIT + b"1,1]\n\n"), *events.end(None)]
    assert [type(event) for event in found] == [StreamFailure]
    assert events.failure is not None
    assert events.failure.status == 502
    assert decoder.bodies == []


def test_passed_event_of_too_many_items_ends_the_stream_with_an_error_event() -> None:
    shown: list[ServerSentEvent] = []

    class Tap:
        meaningful = finished = False
        failure = usage = None
        watch = staticmethod(shown.append)

    class Encoder:
        def encode(self, event: Event) -> bytes:
            assert isinstance(event, StreamFailure)
            return b"<error>"

    stream = PassedThroughStream(Tap(), b"", Encoder())  # type: ignore[arg-type]
    first = b"data: {}\n\n"
    out = stream.feed(first + b"data: [" + b"1," * ITEM_LIMIT + b"1,1]\n\n")
    assert out == first + b"<error>"
    assert len(shown) == 1
    assert stream.over


def test_translated_response_has_a_total_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_source, "RESPONSE_LIMIT", 1000)
    events = EventSource(Decoder(), EventPipeline(()), None, None, lambda: 1)  # type: ignore[arg-type]
    for _ in range(100):
        events.feed(b"data: x\n\n")
    assert events.failure is None
    for _ in range(100):
        events.feed(b": comment\n\n")
    assert events.failure is not None
    assert events.failure.code == "answer_too_large"
