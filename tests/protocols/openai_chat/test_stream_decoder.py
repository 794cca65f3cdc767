"""Answers of OpenAI and of servers that are nearly compatible are understood."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import errors
from antigravity.ir import events as ev
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, Media, ToolCall
from antigravity.ir.request import Request, Sampling
from antigravity.ir.response import Response, fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.client_tap import ChatTap
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.sse import ServerSentEvent, SseDecoder

CLIENT = OPENAI_CHAT_CLIENT
DONE = "[DONE]"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> Any:
    choice = {"index": more.pop("index", 0), "delta": delta or {}, "finish_reason": finish}
    return {"id": "x", "model": "y", "choices": [{**choice, **more.pop("choice", {})}], **more}


def call(text: str | None = None, **more: Any) -> Any:
    function = {} if text is None else {"arguments": text}
    if "name" in more:
        function["name"] = more.pop("name")
    return chunk({"tool_calls": [{**more, "function": function}]})


def sse(*values: Any) -> bytes:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def decode(*values: Any, request: Request | None = None) -> list[ev.Event]:
    """Decode a whole stream, and check that what comes is legal."""
    decoder = ChatStreamDecoder(request or Request("m", (), "openai_chat"))
    events: list[ev.Event] = []
    for item in SseDecoder().feed(sse(*values)):
        events += decoder.decode(item)
    events += decoder.close()
    assert list(decoder.close()) == []
    assert list(decoder.decode(ServerSentEvent("", sse(chunk({"content": "late"}))[6:]))) == []
    assert_legal(events)
    return events


def assert_legal(events: list[ev.Event]) -> None:
    assert isinstance(events[0], ev.ResponseStart)
    assert sum(isinstance(event, ev.ResponseStart) for event in events) == 1
    opened: set[int] = set()
    ended: set[int] = set()
    choices: set[int] = set()
    finished: set[int] = set()
    for place, event in enumerate(events):
        choice = getattr(event, "choice", None)
        if choice is not None:
            assert choice not in finished
            choices.add(choice)
        match event:
            case ev.ToolCallStart():
                assert event.call not in opened | ended
                assert event.id
                assert event.name
                opened.add(event.call)
            case ev.ToolCallDelta():
                assert event.call in opened
            case ev.ToolCallEnd():
                opened.remove(event.call)
                ended.add(event.call)
            case ev.Finish():
                finished.add(event.choice)
            case ev.StreamFailure():
                assert place == len(events) - 1
                return
    assert not opened
    assert choices == finished


#: What asks for two choices.
TWO = Request("m", (), "openai_chat", sampling=Sampling(n=2))


def answer(*values: Any, request: Request | None = None) -> Response:
    return fold(decode(*values, request=request))


def failure(*values: Any, request: Request | None = None) -> errors.GatewayError:
    last = decode(*values, request=request)[-1]
    assert isinstance(last, ev.StreamFailure)
    return last.error


USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
WHOLE = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "hm"}),
    chunk({"content": "Hé"}),
    chunk({"content": "y"}),
    call("", index=0, id="a", type="function", name="f"),
    call('{"x"', index=0),
    call(": 1}", index=0),
    call("", index=1, id="b", type="function", name="g"),
    call("{}", index=1),
    chunk(finish="tool_calls"),
    {"id": "x", "model": "y", "choices": [], "usage": USAGE},
    DONE,
)


def test_stream_of_openai_is_decoded() -> None:
    events = decode(*WHOLE)
    assert events[0] == ev.ResponseStart("x", "y")
    kinds = [type(event).__name__ for event in events if not isinstance(event, ev.ToolCallDelta)]
    assert kinds == [
        "ResponseStart",
        "ThinkingDelta",
        "TextDelta",
        "TextDelta",
        "ToolCallStart",
        "ToolCallEnd",
        "ToolCallStart",
        "UsageUpdate",
        "ToolCallEnd",
        "Finish",
    ]
    response = fold(events)
    assert response.choices[0].text == "Héy"
    assert response.choices[0].tool_calls == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g"))
    assert response.choices[0].finish == "tool_calls"
    assert response.usage == Usage(9, 4, 0, 5, 2)


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_any_chunking_gives_the_same_events(cuts: list[int]) -> None:
    wire = sse(*WHOLE)
    places = [0, *sorted(cut % len(wire) for cut in cuts), len(wire)]
    lines, decoder = SseDecoder(), ChatStreamDecoder(Request("m", (), "openai_chat"))
    events: list[ev.Event] = []
    for start, stop in itertools.pairwise(places):
        for item in lines.feed(wire[start:stop]):
            events += decoder.decode(item)
    assert events == decode(*WHOLE)


# Tool calls of others


@pytest.mark.parametrize(
    "deltas",
    [
        # Google: no index, everything at once
        [call("{}", id="a", name="f"), call('{"x": 1}', id="b", name="f")],
        [
            chunk(
                {
                    "tool_calls": [
                        {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "b", "function": {"name": "f", "arguments": '{"x": 1}'}},
                    ]
                }
            )
        ],
        # the same index for all
        [call("{}", index=0, id="a", name="f"), call('{"x": 1}', index=0, id="b", name="f")],
        # name and id on each piece
        [
            call("{}", index=0, id="a", name="f"),
            call('{"x"', index=1, id="b", name="f"),
            call(": 1}", index=1, id="b", name="f"),
        ],
        # the name later than the id
        [
            call("{}", index=0, id="a", name="f"),
            call(index=1, id="b"),
            call('{"x": 1}', index=1, name="f"),
        ],
        # interleaved, and no arguments at all
        [
            call("", index=0, id="a", name="f"),
            call('{"x"', index=1, id="b", name="f"),
            call("{}", index=0),
            call(": 1}", index=1),
        ],
        [call(index=0, id="a", name="f"), call('{"x": 1}', index=1, id="b", name="f")],
        # arguments as an object
        [
            call("{}", index=0, id="a", name="f"),
            chunk(
                {
                    "tool_calls": [
                        {"index": 1, "id": "b", "function": {"name": "f", "arguments": {"x": 1}}}
                    ]
                }
            ),
        ],
    ],
)
def test_calls_in_many_manners(deltas: list[Any]) -> None:
    choice = answer(*deltas, chunk(finish="stop"), DONE).choices[0]
    assert choice.finish == "tool_calls"
    found = [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls]
    assert found == [("a", "f", {}), ("b", "f", {"x": 1})]


@pytest.mark.parametrize(
    "deltas",
    [
        [call("{}", name="f"), call('{"x": 1}', name="f")],
        [call("{}", index=0, name="f"), call('{"x": 1}', index=0, name="f")],
        [call("{}", name="f"), call('{"x"', name="f"), call(": 1}", name="f")],
        [call("{", name="f"), call("}"), call('{"x"', name="f"), call(": 1}")],
    ],
)
def test_calls_without_ids_get_generated_ids(deltas: list[Any]) -> None:
    calls = answer(*deltas, chunk(finish="stop"), DONE).choices[0].tool_calls
    assert [json.loads(c.arguments) for c in calls] == [{}, {"x": 1}]
    assert len({c.id for c in calls}) == 2
    assert calls == answer(*deltas, chunk(finish="stop"), DONE).choices[0].tool_calls


def test_custom_and_legacy_calls_are_decoded() -> None:
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "1"}}
    more = {"index": 0, "custom": {"input": "2"}}
    found = answer(chunk({"tool_calls": [custom]}), chunk({"tool_calls": [more]}), DONE)
    assert found.choices[0].tool_calls == (ToolCall("a", "p", "12", "custom"),)
    old = [chunk({"function_call": {"name": "f", "arguments": "{"}})]
    old += [chunk({"function_call": {"arguments": "}"}}), chunk(finish="function_call")]
    assert answer(*old).choices[0].tool_calls[0].name == "f"


@pytest.mark.parametrize("vendor", ["google", "vertex"])
def test_google_signature_is_decoded(vendor: str) -> None:
    extra = {vendor: {"thought_signature": "sig"}}
    found = answer(call("{}", id="a", name="f", extra_content=extra), chunk(finish="stop"))
    assert found.choices[0].tool_calls[0].signature == Signature("sig", "gemini")


# Content of others


def test_thinking_is_decoded_from_all_known_fields() -> None:
    for delta in (
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": "hm", "extra_content": {"google": {"thought": True}}},
    ):
        assert ev.ThinkingDelta("hm") in decode(chunk(delta), chunk(finish="stop"))
        assert len(answer(chunk(delta), chunk(finish="stop")).choices[0].parts) == 1


def test_sources_images_and_probabilities() -> None:
    note = {"url": "https://a", "title": "A", "start_index": 1, "end_index": 2}
    events = decode(
        chunk({"content": "abc", "annotations": [{"type": "url_citation", "url_citation": note}]}),
        chunk(
            {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
        ),
        chunk(choice={"logprobs": {"content": [{"token": "a", "logprob": -1}]}}),
        chunk(finish="stop"),
    )
    assert ev.CitationEvent(Citation("https://a", "A", start=1, end=2)) in events
    assert ev.MediaOutput("image/png", InlineData("AAAA")) in events
    assert ev.LogprobsDelta([{"token": "a", "logprob": -1}]) in events


def test_audio_chunks_are_joined() -> None:
    pieces = [base64.b64encode(part).decode() for part in (b"ab", b"cdef", b"g")]
    deltas = [chunk({"audio": {"id": "i", "data": data, "transcript": "t"}}) for data in pieces]
    request = Request("m", (), "openai_chat", audio_config={"format": "mp3"})
    choice = fold(decode(*deltas, chunk(finish="stop"), DONE, request=request)).choices[0]
    data = base64.b64encode(b"abcdefg").decode()
    assert choice.parts == (Media("audio", InlineData(data), "audio/mpeg"),)
    assert choice.transcripts == ("ttt",)


def test_several_choices() -> None:
    response = answer(
        chunk({"content": "a"}, index=0),
        chunk({"content": "b"}, index=1),
        chunk(finish="length", index=1),
        chunk(finish="stop", index=0),
        DONE,
        request=TWO,
    )
    assert [(c.text, c.finish) for c in response.choices] == [("a", "stop"), ("b", "length")]


def test_several_choices_are_merged_when_one_was_requested() -> None:
    response = answer(
        {
            "choices": [
                {"index": 0, "message": {"content": "a"}, "finish_reason": "tool_calls"},
                {
                    "index": 1,
                    "message": {
                        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
                    },
                    "finish_reason": "tool_calls",
                },
            ]
        },
    )
    (choice,) = response.choices
    assert (choice.text, choice.finish) == ("a", "tool_calls")
    assert [part.name for part in choice.parts if isinstance(part, ToolCall)] == ["f"]
    response = answer(chunk({"content": "a"}, index=1), chunk(finish="stop", index=1), DONE)
    assert [choice.text for choice in response.choices] == ["a"]


def test_a_last_chunk_that_is_the_only_one_with_usage_ends_a_stream() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    (choice,) = answer(chunk({"content": "a"}), chunk({"content": "b"}, usage=usage)).choices
    assert choice.text == "ab"
    each = [chunk({"content": "a"}, usage=usage), chunk({"content": "b"}, usage=usage)]
    assert isinstance(failure(*each), errors.UpstreamError)
    more = [chunk({"content": "a"}, usage=usage), chunk({"content": "b"})]
    assert isinstance(failure(*more), errors.UpstreamError)


def test_calls_that_share_an_id_get_ids_of_their_own() -> None:
    calls = [call("{}", index=place, id="same", name="f") for place in range(3)]
    starts = [event for event in decode(*calls, DONE) if isinstance(event, ev.ToolCallStart)]
    assert starts[0].id == "same"
    assert len({start.id for start in starts}) == 3


def test_counts_that_are_written_as_text_are_read() -> None:
    usage = {"prompt_tokens": "7", "completion_tokens": "3", "total_tokens": "10"}
    found = answer(chunk({"content": "a"}, "stop"), {"choices": [], "usage": usage}, DONE).usage
    assert (found.input_total, found.output) == (7, 3)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (USAGE, Usage(9, 4, 0, 5, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 20}, Usage(9, 0, 0, 11, 6)),
        (
            {"prompt_tokens": 9, "completion_tokens": None, "prompt_cache_hit_tokens": 3},
            Usage(9, 3),
        ),
    ],
)
def test_usage_is_decoded(wire: Any, expected: Usage) -> None:
    """It may come in any chunk, and more than once: the last one counts."""
    first = chunk({"content": "x"}, usage={"prompt_tokens": 1})
    assert answer(first, chunk(finish="stop", usage=wire), DONE).usage == expected
    assert CLIENT.decode_usage(json.dumps({"id": "x", "usage": wire}).encode()) == expected


def test_missing_usage_is_none() -> None:
    assert CLIENT.decode_usage(b'{"id": "x"}') is None
    assert CLIENT.decode_usage(b"junk") is None


# Ends


@pytest.mark.parametrize(
    ("reason", "delta", "expected"),
    [
        ("stop", {"content": "x"}, "stop"),
        ("length", {"content": "x"}, "length"),
        ("content_filter", {"content": "x"}, "content_filter"),
        ("tool_calls", {"content": "x"}, "stop"),
        ("eos", {"content": "x"}, "stop"),
        ("stop", {"refusal": "no"}, "refusal"),
    ],
)
def test_finish_reasons_are_decoded(reason: str, delta: dict[str, Any], expected: str) -> None:
    last = decode(chunk(delta), chunk(finish=reason))[-1]
    assert last == ev.Finish(expected, native=reason)  # type: ignore[arg-type]


def test_content_after_a_reason_counts() -> None:
    response = answer(chunk({"content": "a"}, finish="stop"), chunk({"content": "b"}, "stop"), DONE)
    assert response.choices[0].text == "ab"


def test_done_without_a_reason_is_an_end_if_the_content_is_whole() -> None:
    assert answer(chunk({"content": "x"}), DONE).choices[0].finish == "stop"
    whole = answer(call("{}", id="a", name="f"), DONE)
    assert whole.choices[0].finish == "tool_calls"
    assert isinstance(failure(call('{"a', id="a", name="f"), DONE), errors.UpstreamError)


def test_an_end_without_a_reason_is_a_failure() -> None:
    assert isinstance(failure(chunk({"content": "x"})), errors.UpstreamError)
    assert isinstance(failure(), errors.UpstreamError)
    assert isinstance(failure(DONE), errors.EmptyResponseError)
    assert isinstance(failure(chunk({"content": "x"}, "error"), DONE), errors.UpstreamError)
    both = [chunk({"content": "x"}), chunk({"content": "y"}, index=1), chunk(finish="stop")]
    assert isinstance(failure(*both, request=TWO), errors.UpstreamError)


def test_a_call_without_a_name_is_a_failure() -> None:
    assert isinstance(
        failure(call("{}", index=0, id="a"), chunk(finish="stop"), DONE), errors.UpstreamError
    )


@pytest.mark.parametrize(
    "junk", ["{", "[]", "3", '{"choices": 3}', '{"choices": [{"index": "x"}]}']
)
def test_junk_is_a_failure(junk: str) -> None:
    assert isinstance(failure(chunk({"content": "x"}), junk), errors.UpstreamError)


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        ({"error": {"message": "m", "type": "server_error"}}, errors.UpstreamError),
        ({"error": {"message": "m", "code": 429}}, errors.RateLimitedError),
        ({"error": {"message": "m", "code": "429"}}, errors.RateLimitedError),
        ({"error": {"message": "m", "type": "insufficient_quota"}}, errors.QuotaExhaustedError),
        ({"error": {"message": "m", "code": "context_length_exceeded"}}, errors.ContextLengthError),
        ({"error": {"message": "m", "type": "overloaded_error"}}, errors.OverloadedError),
        ({"error": "m"}, errors.UpstreamError),
        ({"object": "error", "message": "m", "code": 400}, errors.InvalidRequestError),
    ],
)
def test_errors_in_a_stream(wire: Any, kind: type[errors.GatewayError]) -> None:
    error = failure(chunk({"content": "x"}), wire, chunk({"content": "y"}), DONE)
    assert type(error) is kind
    assert error.message == "m"


_wire = st.recursive(
    st.none() | st.integers(-1, 3) | st.text(max_size=3) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "tool_calls",
                    "index",
                    "id",
                    "function",
                    "name",
                    "arguments",
                    "images",
                    "usage",
                    "image_url",
                    "url",
                    "annotations",
                    "reasoning_details",
                    "audio",
                    "data",
                    "logprobs",
                    "text",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
_delta = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "content",
            "reasoning",
            "reasoning_details",
            "tool_calls",
            "images",
            "audio",
            "annotations",
            "extra_content",
            "function_call",
        ),
        _wire,
    ),
)
_tool_delta = st.fixed_dictionaries(
    {
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from("fg"),
                "arguments": st.sampled_from(["", "{", "}", "{}"]),
            },
        )
    },
    optional={"index": st.integers(0, 2), "id": st.sampled_from("ab")},
)
_chunks = st.one_of(
    st.builds(
        chunk, _delta, st.none() | st.sampled_from(["stop", "tool_calls"]), index=st.integers(0, 1)
    ),
    st.builds(lambda deltas: chunk({"tool_calls": deltas}), st.lists(_tool_delta, max_size=2)),
    st.just(DONE),
    st.builds(lambda usage: {"choices": [], "usage": usage}, _wire),
)


@given(st.lists(_chunks, max_size=10))
def test_any_stream_gives_legal_events(values: list[Any]) -> None:
    decode(*values)
    tap = ChatTap()
    for item in SseDecoder().feed(sse(*values)):
        tap.watch(item)


# The tap


def watch(*values: Any) -> ChatTap:
    tap = ChatTap()
    for item in SseDecoder().feed(sse(*values)):
        tap.watch(item)
    return tap


def test_tap_reports_usage_and_end() -> None:
    tap = watch(*WHOLE)
    assert (tap.usage, tap.finished, tap.meaningful, tap.failure) == (
        Usage(9, 4, 0, 5, 2),
        True,
        True,
        None,
    )
    assert watch(chunk({"role": "assistant", "content": ""})).meaningful is False
    assert watch(chunk({"content": "x"})).finished is False
    assert watch(DONE).finished is False
    assert watch(chunk({"content": "x"}), DONE).finished is True
    assert watch(chunk({"content": '"usage": {"error": {'})).failure is None
    broken = watch(chunk({"content": "x"}), {"error": {"message": "m", "code": 429}}, DONE)
    assert isinstance(broken.failure, errors.RateLimitedError)
    assert broken.finished is False
    for delta in (
        {"images": [{"image_url": {"url": "x"}}]},
        {"tool_calls": [{"function": {"name": "f"}}]},
    ):
        assert watch(chunk(delta)).meaningful


# Models


def test_models_are_decoded() -> None:
    wire = {
        "data": [
            {"id": "a", "created": 5, "owned_by": "o", "context_length": 9, "name": "A"},
            {"id": "b", "max_model_len": 7, "top_provider": {"max_completion_tokens": 3}},
            {"noid": 1},
            4,
        ]
    }
    first, second = CLIENT.decode_models(json.dumps(wire).encode())
    assert (first.id, first.display_name, first.created, first.owned_by) == ("a", "A", 5, "o")
    assert (first.input_token_limit, second.input_token_limit) == (9, 7)
    assert second.output_token_limit == 3
    for junk in (b"x", b"{}", b'{"data": 3}'):
        with pytest.raises(errors.UpstreamError):
            CLIENT.decode_models(junk)
