"""Streams: legal whatever comes in, read back by an independent reader and the official SDKs."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.interfaces.server_traits import IFramer
from antigravity.ir.errors import OverloadedError, RateLimitedError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
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
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.frames import ArrayFramer, SseFramer, array_framer
from tests.protocols.gemini.builders import (
    SERVER,
    check_stream,
    chunks_of,
    context,
    events,
    parts_of,
    patient,
    stream,
)

NATIVE = Signature("c2ln", "gemini")


@settings(patient, max_examples=200)
@given(st.lists(events, max_size=14), st.booleans(), st.sampled_from([True, False, None]))
def test_any_events_make_a_legal_stream(
    given_events: list[Event], sse: bool, include: bool | None
) -> None:
    chunks = chunks_of(stream(given_events, sse=sse, include=include), sse=sse)
    check_stream(chunks)
    failed = any(isinstance(event, StreamFailure) for event in given_events)
    finished = any(isinstance(event, Finish) for event in given_events)
    assert ("error" in chunks[-1]) == (failed or not finished)
    if include is not True:
        assert not any(part.get("thought") for n in range(3) for part in parts_of(chunks, n))


@patient
@given(st.lists(events, max_size=8), st.booleans())
def test_nothing_follows_the_end(given_events: list[Event], sse: bool) -> None:
    encoder = SERVER.encoder(context(sse=sse))
    for event in given_events:
        encoder.encode(event)
    encoder.end()
    assert encoder.end() == b""
    assert encoder.keepalive() == b""
    assert all(encoder.encode(event) == b"" for event in given_events)


def test_encoder_and_framers_provide_their_interfaces() -> None:
    verifyObject(IStreamEncoder, SERVER.encoder(context()))
    verifyObject(IFramer, ArrayFramer())
    verifyObject(IFramer, SseFramer())


def test_keepalive_is_white_space_in_an_open_array_only() -> None:
    sse = SERVER.encoder(context())
    assert sse.content_type == "text/event-stream"
    sse.encode(TextDelta("x"))
    assert sse.keepalive() == b""
    array = SERVER.encoder(context(sse=False))
    assert array.content_type == "application/json"
    assert array.keepalive() == b""
    wire = array.encode(TextDelta("x")) + array.keepalive()
    assert wire.endswith(b"\n")
    wire += array.encode(TextDelta("y")) + array.keepalive()
    wire += array.encode(Finish("stop")) + array.end()
    assert len(json.loads(wire)) == 3
    assert SERVER.keepalive == b""


def test_framers_of_passed_streams() -> None:
    from tests.protocols.gemini.builders import call

    assert array_framer(call({}, query="alt=sse")) is None
    assert array_framer(call({}, query="$alt=sse")) is None
    framer = array_framer(call({}, query="%24alt=json%3Benum-encoding%3Dint"))
    assert isinstance(framer, ArrayFramer)
    wire = framer.frame(b'{"a":1}') + framer.frame(b'{"b":2}') + framer.end() + framer.end()
    assert json.loads(wire) == [{"a": 1}, {"b": 2}]
    empty = ArrayFramer()
    assert json.loads(empty.end()) == []


@pytest.mark.parametrize(
    "query", ["", "alt=", "alt=sse", "alt=SSE", "%24alt=sse", "alt=media", "key=k"]
)
def test_stream_without_alt_json_is_server_sent_events(query: str) -> None:
    from tests.protocols.gemini.builders import call

    made = call({}, query=query)
    assert array_framer(made) is None
    encoder = SERVER.encoder(msgspec.structs.replace(context(), call=made))
    assert encoder.content_type == "text/event-stream"
    assert encoder.encode(TextDelta("x")).startswith(b"data: {")


@pytest.mark.parametrize(
    "query", ["alt=json", "alt=JSON", "%24alt=json", "%24alt=json%3Benum-encoding%3Dint"]
)
def test_stream_with_alt_json_is_an_array(query: str) -> None:
    from tests.protocols.gemini.builders import call

    made = call({}, query=query)
    assert isinstance(array_framer(made), ArrayFramer)
    encoder = SERVER.encoder(msgspec.structs.replace(context(), call=made))
    assert encoder.content_type == "application/json"
    assert encoder.encode(TextDelta("x")).startswith(b"[{")


def test_all_events_become_chunks() -> None:
    wire = stream(
        [
            ResponseStart("r1", "gemini-real"),
            ThinkingDelta("hm"),
            ThinkingSignature(Signature("s.1", "claude")),
            TextDelta("he"),
            TextDelta("llo"),
            TextSignature(NATIVE),
            ToolCallStart(0, "a", "f", signature=NATIVE),
            ToolCallStart(1, "b", "f"),
            ToolCallDelta(1, '{"x":'),
            ToolCallDelta(0, '{ "n": 1.00,\n "n": 2 }'),
            ToolCallDelta(1, "1}"),
            ToolCallEnd(1),
            ToolCallEnd(0),
            UsageUpdate(Usage(100, 40, 0, 30, 10, 5)),
            Finish("tool_calls", native="tool_use"),
        ]
    )
    chunks = chunks_of(wire)
    check_stream(chunks)
    sealed = base64.b64encode(b"ag1.claude.s.1").decode()
    assert parts_of(chunks) == [
        {"text": "hm", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": sealed},
        {"text": "he"},
        {"text": "llo"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "b", "name": "f", "args": {"x": 1}}},
        {
            "functionCall": {"id": "a", "name": "f", "args": {"n": 2}},
            "thoughtSignature": "c2ln",
        },
    ]
    assert b'"args":{"n":1.00,"n":2}' in wire
    last = chunks[-1]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"] == {
        "promptTokenCount": 95,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 20,
        "toolUsePromptTokenCount": 5,
        "thoughtsTokenCount": 10,
        "totalTokenCount": 130,
    }
    assert {chunk["responseId"] for chunk in chunks} == {"r1"}
    assert {chunk["modelVersion"] for chunk in chunks} == {"gemini-real"}
    assert b"[DONE]" not in wire


def test_signatures_of_hidden_thoughts_are_on_the_next_part() -> None:
    chunks = chunks_of(
        stream(
            [
                ThinkingDelta("hm"),
                ThinkingSignature(Signature("needs its text", "claude")),
                RedactedThinking("r"),
                ToolCallStart(0, "a", "f"),
                ToolCallEnd(0),
                ThinkingSignature(Signature("enc", "openai")),
                TextDelta("x"),
                ThinkingSignature(NATIVE),
                Finish("stop"),
            ],
            include=None,
        )
    )
    check_stream(chunks)
    found = [base64.b64decode(p["thoughtSignature"]) for p in parts_of(chunks)]
    assert found == [b"ag1.redacted-claude.r", b"ag1.openai.enc", b"sig"]
    assert [next(iter(p)) for p in parts_of(chunks)] == ["functionCall", "text", "text"]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"_raw": "[1]"}),
        ('{"a":', {"_raw": '{"a":'}),
        ('{"a":NaN}', {"_raw": '{"a":NaN}'}),
    ],
)
def test_arguments_become_an_object(text: str, args: dict[str, Any]) -> None:
    made = [ToolCallStart(0, "a", "f"), ToolCallDelta(0, text), Finish("tool_calls")]
    (part,) = parts_of(chunks_of(stream([*made])))
    assert part["functionCall"]["args"] == args


def test_call_cut_off_by_the_output_limit_is_dropped() -> None:
    made = [ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"a":'), Finish("length")]
    chunks = chunks_of(stream([*made]))
    assert parts_of(chunks) == []
    assert chunks[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_media_become_inline_data_or_file_data() -> None:
    chunks = chunks_of(
        stream(
            [
                MediaOutput("image/png", InlineData("aGk="), NATIVE),
                MediaOutput("image/png", UrlSource("https://x/y.png")),
                MediaOutput("video/mp4", FileReference("files/1", "google")),
                Finish("stop"),
            ]
        )
    )
    check_stream(chunks)
    assert parts_of(chunks) == [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "c2ln"},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x/y.png"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "files/1"}},
    ]


def test_grounding_offsets_are_bytes() -> None:
    search = WebSearch("1", ("q",), (SearchResult("http://a", "A"), SearchResult("http://b", "B")))
    chunks = chunks_of(
        stream(
            [
                WebSearchEvent(WebSearch("1", ("q",))),
                TextDelta("Größe: "),
                TextDelta("42 m"),
                WebSearchEvent(search),
                CitationEvent(Citation("http://b", "B", start=7, end=11)),
                CitationEvent(Citation("http://c", "C", start=7, end=11)),
                CitationEvent(Citation("http://d", "D")),
                LogprobsDelta([{"token": "4", "logprob": -0.5, "top_logprobs": []}]),
                Finish("stop"),
            ]
        )
    )
    check_stream(chunks)
    candidate = chunks[-1]["candidates"][0]
    assert candidate["groundingMetadata"] == {
        "webSearchQueries": ["q"],
        "groundingChunks": [
            {"web": {"uri": f"http://{letter}", "title": letter.upper()}} for letter in "abcd"
        ],
        "groundingSupports": [
            {
                "segment": {"startIndex": 9, "endIndex": 13, "text": "42 m"},
                "groundingChunkIndices": [1, 2],
            }
        ],
    }
    assert candidate["logprobsResult"]["chosenCandidates"] == [
        {"token": "4", "logProbability": -0.5}
    ]


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        (Finish("stop"), "STOP"),
        (Finish("tool_calls"), "STOP"),
        (Finish("stop_sequence", stop_sequence="x"), "STOP"),
        (Finish("length", native="max_tokens"), "MAX_TOKENS"),
        (Finish("content_filter"), "SAFETY"),
        (Finish("refusal"), "SAFETY"),
        (Finish("content_filter", native="RECITATION"), "RECITATION"),
        (Finish("pause"), "OTHER"),
    ],
)
def test_finish_reasons_become_geminis(finish: Finish, expected: str) -> None:
    chunks = chunks_of(stream([RefusalDelta("no"), finish]))
    check_stream(chunks)
    assert chunks[-1]["candidates"][0]["finishReason"] == expected


def test_candidates_finish_in_one_chunk() -> None:
    chunks = chunks_of(
        stream([TextDelta("b", 1), TextDelta("a"), Finish("stop", choice=1), TextDelta("late", 1)])
    )
    check_stream(chunks)
    assert [c.get("finishReason") for c in chunks[-1]["candidates"]] == ["OTHER", "STOP"]


@pytest.mark.parametrize("sse", [True, False])
def test_failure_is_the_last_chunk(sse: bool) -> None:
    error = RateLimitedError("slow down", retry_after=39.5, code="rate_limit_exceeded")
    for before in ([], [TextDelta("x")]):
        chunks = chunks_of(stream([*before, StreamFailure(error)], sse=sse), sse=sse)
        check_stream(chunks)
        assert len(chunks) == len(before) + 1
        assert chunks[-1]["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert chunks[-1]["error"]["details"][-1]["retryDelay"] == "39.5s"
    check_stream(chunks_of(stream([], sse=sse), sse=sse))


def read_by_legacy_sdk(pieces: list[bytes]) -> list[Any]:
    """Read an array stream with the reader of google-generativeai."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.ai.generativelanguage_v1beta.types import GenerateContentResponse
        from google.api_core._rest_streaming_base import BaseResponseIterator
    reader = BaseResponseIterator(GenerateContentResponse)
    for piece in pieces:
        if piece:
            reader._process_chunk(piece.decode())
    assert reader._level == 0
    return [reader._grab() for _ in range(len(reader._ready_objs))]


def test_legacy_sdk_reads_the_array() -> None:
    encoder = SERVER.encoder(context(sse=False))
    given_events: list[Event] = [
        TextDelta('a "quoted\\" {brace'),
        ToolCallStart(0, "1", "f"),
        ToolCallDelta(0, '{"a": [1, {"b": "]"}]}'),
        ToolCallEnd(0),
        UsageUpdate(Usage(3, output=4)),
        Finish("length"),
    ]
    pieces = [encoder.encode(event) + encoder.keepalive() for event in given_events]
    found = read_by_legacy_sdk([*pieces, encoder.end()])
    assert found[0].candidates[0].content.parts[0].text == 'a "quoted\\" {brace'
    assert found[1].candidates[0].content.parts[0].function_call.name == "f"
    # Names of enums are fine for it although it asks for numbers.
    assert found[-1].candidates[0].finish_reason.name == "MAX_TOKENS"
    assert found[-1].usage_metadata.total_token_count == 7


def test_overload_in_the_array_is_its_last_element() -> None:
    wire = stream([TextDelta("x"), StreamFailure(OverloadedError("full"))], sse=False)
    assert json.loads(wire)[-1]["error"]["status"] == "UNAVAILABLE"


def test_two_signatures_of_hidden_thoughts_are_both_sent() -> None:
    made: list[Event] = [RedactedThinking("1"), RedactedThinking("2"), TextDelta("x")]
    parts = parts_of(chunks_of(stream([*made, Finish("stop")], include=None)))
    found = [(p["text"], base64.b64decode(p["thoughtSignature"])[-1:]) for p in parts]
    assert found == [("", b"1"), ("x", b"2")]
