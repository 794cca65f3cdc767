"""The spans that are made from the record of an exchange."""

from __future__ import annotations

from typing import Any

from antigravity.ir.record import AttemptRecord, RequestTimes, TraceContext
from antigravity.traces.spans import SpanData, spans_of
from tests.support.records import START, make_record

TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")
FIRST = AttemptRecord(
    "google",
    "gemini-3-pro",
    "a@google",
    "gemini",
    False,
    0.25,
    0.5,
    429,
    "RateLimitedError: you said: secret prompt",
    span_id="1111111111111111",
)
SECOND = AttemptRecord(
    "openai", "gpt-5", "b", "openai_chat", True, 0.75, 2.0, 200, span_id="2222222222222222"
)


def spans(**changes: Any) -> list[SpanData]:
    return list(spans_of(make_record(trace=TRACE, **changes)))


def test_request_and_attempts_are_a_tree() -> None:
    request, first, second = spans(attempts=[FIRST, SECOND])
    assert (request.span_id, request.parent_id) == (TRACE.span_id, TRACE.parent_id)
    assert (first.span_id, first.parent_id) == (FIRST.span_id, TRACE.span_id)
    assert (second.span_id, second.parent_id) == (SECOND.span_id, TRACE.span_id)
    assert [each.kind for each in (request, first, second)] == ["server", "client", "client"]
    assert request.name == "chat claude-opus-4-6"
    assert (first.name, second.name) == ("chat gemini-3-pro", "chat gpt-5")


def test_times_are_those_of_the_record() -> None:
    request, first, second = spans(attempts=[FIRST, SECOND])
    start = int(START) * 10**9
    assert (request.started - start, request.ended - start) == (0, 2 * 10**9)
    assert (first.started - start, first.ended - start) == (250_000_000, 500_000_000)
    assert second.ended == request.ended


def test_attempt_that_did_not_end_ends_with_its_request() -> None:
    request, attempt = spans(
        attempts=[AttemptRecord("google", "m", "a", "gemini", False, 0.5)], duration=3.0
    )
    assert attempt.ended == request.ended


def test_request_has_attributes_of_the_conventions() -> None:
    request, *_ = spans(attempts=[FIRST, SECOND], times=RequestTimes(0.5, 0.25, 0.125, 1.0))
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "claude-opus-4-6",
        "gen_ai.response.model": "gemini-3-pro",
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": "session-1",
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "http.response.status_code": 200,
        "antigravity.overhead": 0.875,
        "antigravity.attempts": 2,
    }
    assert {name: request.attributes.get(name) for name in expected} == expected
    assert "error.type" not in request.attributes
    assert request.error == ""


def test_usage_is_in_one_span_only() -> None:
    """Programs that add up the spans of a trace must not count tokens twice."""
    _, *attempts = spans(attempts=[FIRST, SECOND])
    assert not [n for each in attempts for n in each.attributes if "usage" in n]


def test_errors_have_their_kind_but_no_message() -> None:
    request, attempt = spans(
        attempts=[FIRST], outcome="error", error="RateLimitedError: secret prompt", status=429
    )
    for each in (request, attempt):
        assert each.error == "RateLimitedError"
        assert each.attributes["error.type"] == "RateLimitedError"
        assert each.attributes["http.response.status_code"] == 429
        assert "secret" not in repr(each)


def test_client_that_went_away_is_no_error() -> None:
    request, *_ = spans(outcome="cancelled", error="CancelledByClientError: gone")
    assert request.error == ""
    assert request.attributes["antigravity.outcome"] == "cancelled"


def test_request_that_reached_no_upstream_has_no_provider() -> None:
    (request,) = spans(attempts=[], model="guess\ud83d" + "x" * 500, usage=None, first_byte=None)
    assert "gen_ai.provider.name" not in request.attributes
    assert "gen_ai.response.time_to_first_chunk" not in request.attributes
    assert len(request.name) <= 200
    request.name.encode()


def test_key_of_the_client_is_in_no_span() -> None:
    assert "0123456789abcdef" not in repr(spans(principal="0123456789abcdef"))
