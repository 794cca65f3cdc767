"""An upstream's stream, errors and lists are read as they are meant."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IClientProtocol, IStreamDecoder, ITap
from antigravity.ir import errors
from antigravity.ir import events as ev
from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Citation, SearchResult, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.response import fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.sse import ServerSentEvent, SseDecoder, encode_event
from tests.protocols.anthropic.builders import read_legal, stream, valid_events

CLIENT = ANTHROPIC_CLIENT


def decoder() -> Any:
    return CLIENT.decoder(Request("m", (), "anthropic"), Target("m"))


def read(wire: bytes, cuts: list[int] | None = None) -> list[ev.Event]:
    lines, ours = SseDecoder(), decoder()
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts or []), len(wire)]
    found: list[ev.Event] = []
    for start, stop in itertools.pairwise(places):
        for event in lines.feed(wire[start:stop]):
            found += ours.decode(event)
    for event in lines.close():
        found += ours.decode(event)
    return found + list(ours.close())


def wire(*rows: dict[str, Any]) -> bytes:
    return b"".join(encode_event(row["type"].encode(), json.dumps(row).encode()) for row in rows)


def start(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": kind, **fields},
    }


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str = "end_turn", **usage: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    changes = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": changes, "usage": usage}, {"type": "message_stop"}


BEGIN = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-x",
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 2,
        },
    },
}


def test_client_provides_its_interfaces() -> None:
    assert verifyObject(IClientProtocol, CLIENT)
    assert verifyObject(IStreamDecoder, decoder())
    assert verifyObject(ITap, CLIENT.tap())


@settings(max_examples=150)
@given(valid_events(), st.lists(st.integers(0, 100_000), max_size=20))
def test_any_chunking_gives_the_same_events(events: Any, cuts: list[int]) -> None:
    data = stream(events)
    assert read(data, cuts) == read(data)


@settings(max_examples=300)
@given(valid_events())
def test_encoded_stream_is_decoded_to_the_same_events(events: Any) -> None:
    """Our own stream, decoded and encoded again, says the same (images are text now)."""
    once = stream(events)
    again = read(once)
    assert legal(again)
    assert read_legal(stream(again)) == read_legal(once)


def legal(events: list[ev.Event]) -> bool:
    """Whether a decoder kept its promises."""
    assert isinstance(events[0], ev.ResponseStart)
    open_calls: set[int] = set()
    for event in events[:-1]:
        assert not isinstance(event, ev.StreamFailure | ev.Finish)
        if isinstance(event, ev.ToolCallStart):
            assert event.id
            open_calls.add(event.call)
        elif isinstance(event, ev.ToolCallDelta):
            assert event.call in open_calls
        elif isinstance(event, ev.ToolCallEnd):
            open_calls.remove(event.call)
    assert not open_calls
    return isinstance(events[-1], ev.Finish)


def test_complete_stream_is_decoded() -> None:
    found = read(
        wire(
            BEGIN,
            {"type": "ping"},
            start(0, "thinking", thinking="", signature=""),
            delta(0, "thinking_delta", thinking="hm"),
            delta(0, "signature_delta", signature="sig"),
            stop(0),
            start(1, "redacted_thinking", data="blob"),
            stop(1),
            start(2, "text", text=""),
            delta(2, "text_delta", text="Let me "),
            {"type": "some_new_event", "x": 1},
            delta(2, "text_delta", text="see."),
            delta(2, "some_new_delta", text="?"),
            stop(2),
            start(3, "some_new_block", data=1),
            stop(3),
            start(4, "tool_use", id="toolu_1", name="get", input={}),
            delta(4, "input_json_delta", partial_json=""),
            delta(4, "input_json_delta", partial_json='{"a":'),
            delta(4, "input_json_delta", partial_json="1}"),
            stop(4),
            *ending("tool_use", output_tokens=9, output_tokens_details={"thinking_tokens": 4}),
        ).replace(b'"data": 1', b'"data": "1"')
    )
    assert legal(found)
    answer = fold(found)
    assert answer.id == "msg_1"
    assert answer.model == "claude-x"
    assert answer.usage == Usage(10, 3, 2, 9, 4)
    (choice,) = answer.choices
    assert choice.parts == (
        Thinking("hm", Signature("sig", "claude")),
        Thinking("", Signature("", "claude"), "blob"),
        Text("Let me see."),
        ToolCall("toolu_1", "get", '{"a":1}'),
    )
    assert (choice.finish, choice.native_finish) == ("tool_calls", "tool_use")


def test_a_search_with_citations() -> None:
    cited = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c"}
    item = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}
    found = read(
        wire(
            BEGIN,
            start(0, "text", text=""),
            delta(0, "text_delta", text="ab"),
            stop(0),
            start(1, "server_tool_use", id="srvtoolu_1", name="web_search", input={}),
            delta(1, "input_json_delta", partial_json='{"query":"q"}'),
            stop(1),
            start(2, "web_search_tool_result", tool_use_id="srvtoolu_1", content=[item]),
            stop(2),
            start(3, "text", text="", citations=[]),
            delta(3, "citations_delta", citation=cited),
            delta(3, "text_delta", text="cde"),
            stop(3),
            *ending(output_tokens=1, server_tool_use={"web_search_requests": 1}),
        )
    )
    searches = [event.search for event in found if isinstance(event, ev.WebSearchEvent)]
    assert searches[0] == WebSearch("srvtoolu_1", ("q",))
    assert searches[1] == WebSearch("srvtoolu_1", ("q",), (SearchResult("u", "t", "e"),))
    assert ev.CitationEvent(Citation("u", "t", "c", 2, 5)) in found
    assert fold(found).usage.searches == 1


def test_interleaved_calls_and_whole_inputs() -> None:
    found = read(
        wire(
            BEGIN,
            start(0, "tool_use", id="a", name="get", input={"x": 1}),
            start(1, "tool_use", id="", name="put", input={}),
            stop(1),
            stop(0),
            *ending("end_turn"),
        )
    )
    assert legal(found)
    first, second = fold(found).choices[0].tool_calls
    assert json.loads(first.arguments) == {"x": 1}
    assert second.id.startswith("toolu_")
    assert second.arguments == "{}"
    assert fold(found).choices[0].finish == "tool_calls"


def test_events_without_a_name_are_read_too() -> None:
    data = wire(BEGIN, start(0, "text"), delta(0, "text_delta", text="hi"), stop(0), *ending())
    bare = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"event:"))
    assert read(bare) == read(data)


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        ([], errors.UpstreamError),
        ([ending()[0] | {"delta": {"stop_reason": None}}], errors.UpstreamError),
        (
            [{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}],
            errors.OverloadedError,
        ),
        ([{"type": "content_block_start", "index": "x"}], errors.UpstreamError),
    ],
)
def test_interrupted_stream_ends_with_failure(tail: Any, kind: type[Exception]) -> None:
    found = read(wire(BEGIN, start(0, "text"), delta(0, "text_delta", text="hi"), *tail))
    failures = [event for event in found if isinstance(event, ev.StreamFailure)]
    assert failures == found[-1:]
    assert type(failures[0].error) is kind


def test_stream_with_stop_reason_is_complete() -> None:
    found = read(wire(BEGIN, start(0, "text"), delta(0, "text_delta", text="hi"), ending()[0]))
    assert found[-1] == ev.Finish("stop", None, "end_turn")


def test_malformed_event_ends_the_stream_with_failure() -> None:
    ours = decoder()
    (failure,) = ours.decode(ServerSentEvent("message_start", b"{"))
    assert isinstance(failure, ev.StreamFailure)
    assert ours.decode(ServerSentEvent("ping", b"{}")) == ()
    assert ours.close() == ()


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    ours, tap = decoder(), CLIENT.tap()
    for name, data in itertools.product(
        ("message_start", "content_block_delta", "error", ""), pieces
    ):
        ours.decode(ServerSentEvent(name, data))
        tap.watch(ServerSentEvent(name, data))
    ours.close()


def test_tap_reports_progress_and_end() -> None:
    tap = CLIENT.tap()
    data = wire(
        BEGIN, start(0, "text"), delta(0, "text_delta", text="x"), stop(0), *ending(output_tokens=7)
    )
    seen = []
    for event in SseDecoder().feed(data):
        tap.watch(event)
        seen.append((tap.meaningful, tap.finished))
    assert seen == [(False, False)] * 2 + [(True, False)] * 2 + [(True, True)] * 2
    assert tap.usage == Usage(10, 3, 2, 7)
    assert tap.failure is None
    tap.watch(ServerSentEvent("error", b'{"error":{"type":"api_error","message":"x"}}'))
    assert isinstance(tap.failure, errors.UpstreamError)


def test_usage_counts_and_model_lists_are_decoded() -> None:
    body = {"usage": {"input_tokens": 5, "cache_read_input_tokens": 1, "output_tokens": 2}}
    assert CLIENT.decode_usage(json.dumps(body).encode()) == Usage(6, 1, 0, 2)
    assert CLIENT.decode_usage(b"{}") is None
    assert CLIENT.decode_usage(b"<html>") is None
    assert CLIENT.decode_count(b'{"input_tokens": 12}') == 12
    listing = (
        b'{"data":[{"id":"m","display_name":"M","created_at":"2025-01-01T00:00:00Z"},{"id":"n"}]}'
    )
    first, second = CLIENT.decode_models(listing)
    assert (first.id, first.display_name, first.created) == ("m", "M", 1735689600)
    assert (second.id, second.created) == ("n", 0)
    for broken in (CLIENT.decode_count, CLIENT.decode_models):
        with pytest.raises(errors.UpstreamError):
            broken(b"{}")


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (
            400,
            "invalid_request_error",
            "messages.2.content.0.type: bad",
            errors.InvalidRequestError,
        ),
        (400, "invalid_request_error", "prompt is too long: 2 > 1", errors.ContextLengthError),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low",
            errors.UpstreamCredentialError,
        ),
        (401, "authentication_error", "invalid x-api-key", errors.UpstreamCredentialError),
        (403, "permission_error", "no", errors.UpstreamCredentialError),
        (404, "not_found_error", "model: x", errors.NotFoundError),
        (413, "request_too_large", "big", errors.RequestTooLargeError),
        (429, "rate_limit_error", "slow", errors.RateLimitedError),
        (
            429,
            "rate_limit_error",
            "Resource has been exhausted (e.g. check quota).",
            errors.RateLimitedError,
        ),
        (
            429,
            "rate_limit_error",
            "This would exceed your weekly quota",
            errors.QuotaExhaustedError,
        ),
        (500, "api_error", "oops", errors.UpstreamError),
        (503, "", "", errors.OverloadedError),
        (504, "timeout_error", "late", errors.DeadlineError),
        (529, "overloaded_error", "busy", errors.OverloadedError),
    ],
)
def test_errors_are_decoded(
    status: int, kind: str, message: str, expected: type[Exception]
) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = CLIENT.decode_error(status, {}, body)
    assert type(error) is expected
    assert error.upstream_status == status
    assert error.retry_after is None


def test_error_message_with_field_sets_the_parameter() -> None:
    body = b'{"error":{"type":"invalid_request_error","message":"messages.2.role: bad"}}'
    assert CLIENT.decode_error(400, {}, body).param == "$.messages[2].role"


def test_credential_error_hides_the_key() -> None:
    body = b'{"error":{"type":"authentication_error","message":"key sk-ant-123 of a@b.c"}}'
    assert "sk-ant" not in CLIENT.decode_error(401, {}, body).message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": null}', b'{"error": "text"}'])
def test_malformed_error_bodies_are_decoded(body: bytes) -> None:
    assert type(CLIENT.decode_error(502, {}, body)) is errors.UpstreamError


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        (
            {
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "retry-after": "Fri, 20 Nov 2026 10:00:30 GMT",
            },
            30.0,
        ),
        (
            {
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "anthropic-ratelimit-requests-remaining": "12",
                "anthropic-ratelimit-requests-reset": "2026-11-20T10:00:01Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-20T10:00:40Z",
            },
            40.0,
        ),
        (
            {
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "anthropic-ratelimit-unified-5h-status": "rejected",
                "anthropic-ratelimit-unified-5h-reset": "1795173600",
            },
            None,
        ),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_delay_is_read_from_headers(headers: dict[str, str], expected: float | None) -> None:
    found = CLIENT.decode_error(429, headers, b"").retry_after
    if "anthropic-ratelimit-unified-5h-status" in headers:
        assert found is not None
        assert found > 0
    else:
        assert found == expected


@pytest.mark.parametrize("whole", [False, True])
def test_explanation_of_a_refusal_reaches_the_client(whole: bool) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not that."}
    end = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    if whole:
        found = read(wire({"type": "message", "content": [{"type": "text", "text": "So"}], **end}))
    else:
        last = ({"type": "message_delta", "delta": end}, {"type": "message_stop"})
        found = read(wire(start(0, "text", text="So"), stop(0), *last))
    assert found[-2:] == [
        ev.RefusalDelta("Not that."),
        ev.Finish("content_filter", None, "refusal"),
    ]
    assert ev.TextDelta("So") in found


@pytest.mark.parametrize("details", [None, {"type": "refusal", "explanation": None}])
def test_refusal_without_explanation(details: Any) -> None:
    end = {"stop_reason": "refusal", "stop_details": details}
    found = read(wire({"type": "message_delta", "delta": end}, {"type": "message_stop"}))
    assert found[-1] == ev.Finish("refusal", None, "refusal")
    assert not any(isinstance(event, ev.RefusalDelta) for event in found)
