"""Answers of Gemini: every part becomes its event, and every end is a proper one or a failure."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IStreamDecoder, ITap
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import OverloadedError, RateLimitedError, UpstreamError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult
from antigravity.ir.request import Request
from antigravity.ir.response import fold
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.sse import ServerSentEvent, SseDecoder
from tests.protocols.gemini.builders import events as any_event
from tests.protocols.gemini.builders import patient, stream

CLIENT = GEMINI_CLIENT
SIGNATURE = Signature("c2ln", "gemini")


def request(*tools: FunctionTool) -> Request:
    return Request("m", (), "openai_chat", tools=tools)


def decode(*chunks: Any, tools: tuple[FunctionTool, ...] = ()) -> list[Event]:
    """Return the events of a whole stream, its end included."""
    decoder = CLIENT.decoder(request(*tools), Target("gemini-x"))
    verifyObject(IStreamDecoder, decoder)
    found: list[Event] = []
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
        found += decoder.decode(ServerSentEvent("", data))
    found += decoder.close()
    assert not list(decoder.close()) or not isinstance(found[-1], Finish)
    check(found)
    return found


def check(found: list[Event]) -> None:
    """Assert that a sequence is legal."""
    if not found:
        return
    assert isinstance(found[0], ResponseStart)
    opened: set[int] = set()
    started: set[int] = set()
    ids: list[str] = []
    finished: set[int] = set()
    for place, event in enumerate(found):
        assert not isinstance(event, ResponseStart) or place == 0
        if isinstance(event, StreamFailure):
            assert place == len(found) - 1
            return
        if isinstance(event, ToolCallStart):
            assert event.call not in started
            assert event.id
            started.add(event.call)
            opened.add(event.call)
            ids.append(event.id)
        elif isinstance(event, ToolCallDelta | ToolCallEnd):
            assert event.call in opened
            if isinstance(event, ToolCallEnd):
                opened.remove(event.call)
        if not isinstance(event, ResponseStart | UsageUpdate):
            assert event.choice not in finished
        if isinstance(event, Finish):
            finished.add(event.choice)
    assert not opened
    assert len(set(ids)) == len(ids)


def chunk(*parts: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "real", "responseId": "r", **more}


START = ResponseStart("r", "real")


def test_text_thoughts_and_signatures() -> None:
    assert decode(
        chunk(
            {"text": "hm", "thought": True},
            {"text": "", "thought": True, "thoughtSignature": "c2ln"},
        ),
        chunk({"text": "he", "thoughtSignature": "c2ln"}),
        chunk({"text": "llo"}, {"text": "", "thoughtSignature": "c2ln"}, {}, {"text": ""}),
        chunk(finish="STOP"),
    ) == [
        START,
        ThinkingDelta("hm"),
        ThinkingSignature(SIGNATURE),
        TextDelta("he"),
        TextSignature(SIGNATURE),
        TextDelta("llo"),
        TextSignature(SIGNATURE),
        Finish("stop", native="STOP"),
    ]


def test_parallel_equal_calls_get_ids_of_their_own() -> None:
    same = {"functionCall": {"name": "f", "args": {"a": 1.50, "b": "x"}}}
    given = {"functionCall": {"name": "f", "id": "x", "args": {}}, "thoughtSignature": "c2ln"}
    found = decode(
        chunk(same, same, given), chunk(given, {"functionCall": {"name": "g"}}, finish="STOP")
    )
    starts = [event for event in found if isinstance(event, ToolCallStart)]
    assert len({start.id for start in starts}) == 5
    assert starts[2].id == "x"
    assert starts[0].id.startswith("call_")
    assert [start.signature for start in starts] == [None, None, SIGNATURE, SIGNATURE, None]
    deltas = [event.arguments for event in found if isinstance(event, ToolCallDelta)]
    assert deltas == ['{"a":1.5,"b":"x"}', '{"a":1.5,"b":"x"}', "{}", "{}", "{}"]
    assert found[-1] == Finish("tool_calls", native="STOP")


def test_arguments_stay_as_they_are_written() -> None:
    raw = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{ "n" : 1.00,\n"big":123456789012345678901234567890 }}}]},"finishReason":"MAX_TOKENS"}]}'  # noqa: E501
    found = decode(raw)
    assert ToolCallDelta(0, '{"n":1.00,"big":123456789012345678901234567890}') in found
    assert found[-1] == Finish("length", native="MAX_TOKENS")


def test_arguments_are_repaired_by_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}, "b": {"type": "boolean"}, "s": {"type": "string"}},
    }
    args = {"n": "2", "b": "true", "s": "007"}
    found = decode(
        chunk({"functionCall": {"name": "f", "args": args}}, finish="STOP"),
        tools=(FunctionTool("f", parameters=schema),),
    )
    assert ToolCallDelta(0, '{"n":2,"b":true,"s":"007"}') in found


def test_media_and_code_are_decoded() -> None:
    found = decode(
        chunk(
            {"inlineData": {"mimeType": "image/png", "data": "_-8"}, "thoughtSignature": "c2ln"},
            {"executableCode": {"language": "PYTHON", "code": "print(1)\n"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
            finish="STOP",
        )
    )
    assert found[1] == MediaOutput("image/png", InlineData("/+8="), SIGNATURE)
    text = "".join(event.text for event in found if isinstance(event, TextDelta))
    assert text == "\n```python\nprint(1)\n```\n\n```\n1\n```\n"


def test_grounding_is_decoded() -> None:
    metadata = {
        "webSearchQueries": ["q1", "q2"],
        "groundingChunks": [
            {"web": {"uri": "http://a", "title": "A"}},
            {"maps": {"uri": "http://b", "title": "B", "placeId": "x"}},
        ],
        "groundingSupports": [
            {
                "segment": {"startIndex": 9, "endIndex": 13, "text": "42 m"},
                "groundingChunkIndices": [0, 1],
            },
            {"segment": {"endIndex": 7, "text": "Größe"}, "groundingChunkIndices": [0, 7]},
            {
                "segment": {"startIndex": 7, "endIndex": 11, "text": "42 m"},
                "groundingChunkIndices": [0],
            },
            {
                "segment": {"startIndex": 2, "endIndex": 900, "text": "gone"},
                "groundingChunkIndices": [0],
            },
        ],
    }
    last = chunk({"text": "42 m"}, finish="STOP", usageMetadata={"promptTokenCount": 1})
    last["candidates"][0]["groundingMetadata"] = metadata
    found = decode(chunk({"text": "Größe: "}), last)
    search = next(event.search for event in found if isinstance(event, WebSearchEvent))
    assert search.queries == ("q1", "q2")
    assert search.results == (SearchResult("http://a", "A"), SearchResult("http://b", "B"))
    assert [event.citation for event in found if isinstance(event, CitationEvent)] == [
        Citation("http://a", "A", "42 m", 7, 11),
        Citation("http://b", "B", "42 m", 7, 11),
        Citation("http://a", "A", "Größe", 0, 5),
        Citation("http://a", "A", "42 m", 7, 11),
        Citation("http://a", "A", "gone"),
    ]
    assert found[-1] == UsageUpdate(Usage(1, searches=2))


def test_usage_is_never_summed() -> None:
    first = {"promptTokenCount": 10, "totalTokenCount": 10}
    last = {
        "promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7, "toolUsePromptTokenCount": 2, "totalTokenCount": 24,
    }  # fmt: skip
    found = decode(
        chunk({"text": "a"}, usageMetadata=first),
        chunk({"text": "b"}, usageMetadata=first),
        chunk(finish="STOP", usageMetadata=last),
    )
    usages = [event.usage for event in found if isinstance(event, UsageUpdate)]
    assert usages == [Usage(input_total=10), Usage(12, 4, 0, 12, 7, 2)]
    assert usages[-1].total == 24


def test_logprobs_are_decoded() -> None:
    wire = chunk({"text": "a"}, finish="STOP")
    wire["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [{"token": "a", "tokenId": 3, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.0}]}],
    }
    (delta,) = [event for event in decode(wire) if isinstance(event, LogprobsDelta)]
    assert delta.content == [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [{"token": "b", "logprob": -1.0, "bytes": [98]}],
        }
    ]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("OTHER", "stop"),
        ("BRAND_NEW", "stop"),
    ],
)
def test_finish_reasons_are_decoded(native: str, reason: str) -> None:
    assert decode(chunk({"text": "x"}, finish=native))[-1] == Finish(reason, native=native)  # type: ignore[arg-type]


def test_a_blocked_prompt_is_refused() -> None:
    found = decode(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    )
    assert isinstance(found[1], RefusalDelta)
    assert found[2:] == [UsageUpdate(Usage(3)), Finish("content_filter", native="SAFETY")]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b""],
        [chunk({"text": "x"})],
        [chunk({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED")],
        [b"{"],
        [b"[1]"],
        [b'{"candidates": 5}'],
        [chunk(finish="MALFORMED_FUNCTION_CALL")],
        [chunk(finish="UNEXPECTED_TOOL_CALL")],
        [chunk({"text": "x"}, finish="STOP"), chunk({"text": "y"}, index=1)],
        [{"usageMetadata": {"promptTokenCount": 3}}],
    ],
)
def test_bad_ends_are_failures(chunks: list[Any]) -> None:
    found = decode(*chunks)
    assert isinstance(found[-1], StreamFailure)
    assert isinstance(found[-1].error, UpstreamError)


def test_errors_in_the_stream() -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    for wire in (error, [error]):
        found = decode(chunk({"text": "x"}), wire, chunk({"text": "never"}))
        assert isinstance(found[-1], StreamFailure)
        assert isinstance(found[-1].error, OverloadedError)
    limited = {"error": {"code": 429, "message": "m", "details": [{"retryDelay": "3s"}]}}
    found = decode(limited)
    assert isinstance(found[-1], StreamFailure)
    assert isinstance(found[-1].error, RateLimitedError)
    assert found[-1].error.retry_after == 3.0


def test_content_after_the_finish_is_kept() -> None:
    found = decode(
        chunk({"text": "x"}, finish="STOP"),
        chunk({"text": "late"}, finish="STOP"),
        chunk({"functionCall": {"name": "f", "args": {}}}),
        {"usageMetadata": {"candidatesTokenCount": 1}},
        b"[DONE]",
    )
    assert found[:3] == [START, TextDelta("x"), TextDelta("late")]
    assert isinstance(found[3], ToolCallStart)
    assert found[-2:] == [UsageUpdate(Usage(output=1)), Finish("tool_calls", native="STOP")]


@pytest.mark.parametrize(
    ("reasons", "last"),
    [
        (("STOP", "MAX_TOKENS"), Finish("length", native="MAX_TOKENS")),
        (("SAFETY", "STOP"), Finish("content_filter", native="SAFETY")),
    ],
)
def test_stop_replaces_no_other_reason(reasons: tuple[str, ...], last: Finish) -> None:
    assert decode(*(chunk({"text": "x"}, finish=each) for each in reasons))[-1] == last


def test_usage_in_the_chunk_of_a_failing_end_is_decoded() -> None:
    usage = {"promptTokenCount": 3, "thoughtsTokenCount": 6}
    found = decode(chunk(finish="MALFORMED_FUNCTION_CALL", usageMetadata=usage))
    assert found[1] == UsageUpdate(Usage(3, output=6, reasoning=6))
    assert isinstance(found[2], StreamFailure)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5) | st.just("STOP"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["candidates", "content", "parts", "text", "functionCall", "name", "args", "error",
                 "finishReason", "usageMetadata", "groundingMetadata", "index", "inlineData"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@patient
@given(st.lists(json_values | st.binary(max_size=8), max_size=4))
def test_any_chunks_are_decoded_to_legal_events(values: list[Any]) -> None:
    decode(*values)


@patient
@given(st.lists(any_event, max_size=10), st.lists(st.integers(0, 9999), max_size=8))
def test_any_chunking_gives_the_same_events(given_events: list[Event], cuts: list[int]) -> None:
    wire = stream(given_events)
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    results = []
    for pieces in ([wire], [wire[a:b] for a, b in itertools.pairwise(places)]):
        sse, decoder = SseDecoder(), CLIENT.decoder(request(), Target("m"))
        found: list[Event] = []
        for piece in pieces:
            for event in sse.feed(piece):
                found += decoder.decode(event)
        found += decoder.close()
        check(found)
        results.append(found)
    shown = [
        [repr(e.error) if isinstance(e, StreamFailure) else without_id(e) for e in result]
        for result in results
    ]
    assert shown[0] == shown[1]


def without_id(event: Event) -> Any:
    """Return an event without the identifier that the decoder made up."""
    if isinstance(event, WebSearchEvent):
        return (event.search.queries, event.search.results)
    if isinstance(event, ToolCallStart):
        return (event.call, event.name, event.signature)
    return event


def test_tap_reports_usage_and_end() -> None:
    tap = CLIENT.tap()
    verifyObject(ITap, tap)

    def watch(value: Any) -> None:
        tap.watch(ServerSentEvent("", json.dumps(value, separators=(",", ":")).encode()))

    watch(chunk({"text": ""}, usageMetadata={"promptTokenCount": 5}))
    assert (tap.meaningful, tap.finished, tap.failure) == (False, False, None)
    assert tap.usage == Usage(5)
    watch(chunk({"text": '"finishReason":"STOP"'}))
    assert (tap.meaningful, tap.finished) == (True, False)
    watch(chunk({"functionCall": {"name": "f", "args": {"finishReason": "STOP", "error": {}}}}))
    assert (tap.finished, tap.failure) == (False, None)
    watch(chunk(finish="STOP", usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 2}))
    assert tap.finished
    assert tap.usage == Usage(5, output=2)
    watch({"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}})
    assert isinstance(tap.failure, OverloadedError)
    blocked = CLIENT.tap()
    blocked.watch(ServerSentEvent("", b'{"promptFeedback":{"blockReason":"SAFETY"}}'))
    assert blocked.finished
    assert blocked.meaningful
    blocked.watch(ServerSentEvent("", b"{finishReason"))


def test_folded_events_make_a_response() -> None:
    response = fold(
        decode(
            chunk({"text": "a"}, {"functionCall": {"name": "f", "id": "1"}}),
            chunk({"text": "b"}, finish="STOP"),
        )
    )
    assert response.choices[0].text == "ab"
    assert response.choices[0].finish == "tool_calls"
