"""Whatever events come, the stream that a client gets is legal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import events as ev
from antigravity.ir.errors import RateLimitedError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Citation, WebSearch
from antigravity.ir.response import fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.server_stream import ChatStreamEncoder
from antigravity.sse import SseDecoder
from tests.protocols.openai_chat.builders import check, context, payloads

_choice = st.integers(0, 2)
_call = st.integers(0, 3)
_text = st.text(max_size=6)
_signature = st.builds(Signature, st.text("ab", min_size=1), st.sampled_from(["gemini", "claude"]))
_count = st.integers(0, 9)
_source = st.one_of(
    st.just(InlineData("AAAA")),
    st.just(UrlSource("https://x")),
    st.just(FileReference("f", "openai")),
)
_logprob = st.fixed_dictionaries({"token": _text, "logprob": st.floats(-9, 0)})
_events = st.one_of(
    st.builds(ev.ResponseStart, _text, _text),
    st.builds(ev.TextDelta, _text, _choice),
    st.builds(ev.TextSignature, _signature, _choice),
    st.builds(ev.ThinkingDelta, _text, _choice),
    st.builds(ev.ThinkingSignature, _signature, _choice),
    st.builds(ev.RedactedThinking, _text, _choice),
    st.builds(ev.RefusalDelta, _text, _choice),
    st.builds(
        ev.ToolCallStart,
        _call,
        st.text("xyz", min_size=1),
        st.text("fg", min_size=1),
        st.sampled_from(["function", "custom"]),
        signature=st.none() | _signature,
        choice=_choice,
    ),
    st.builds(ev.ToolCallDelta, _call, _text, _choice),
    st.builds(ev.ToolCallEnd, _call, _choice),
    st.builds(
        ev.MediaOutput,
        st.sampled_from(["image/png", "audio/wav", "video/mp4"]),
        _source,
        transcript=st.none() | _text,
        choice=_choice,
    ),
    st.builds(ev.WebSearchEvent, st.just(WebSearch("s")), _choice),
    st.builds(
        ev.CitationEvent,
        st.builds(Citation, st.just("https://x"), start=st.none() | _count, end=st.none() | _count),
        _choice,
    ),
    st.builds(ev.LogprobsDelta, st.lists(_logprob, max_size=2), _choice),
    st.builds(ev.UsageUpdate, st.builds(Usage, _count, _count, _count, _count, _count)),
    st.builds(
        ev.Finish,
        st.sampled_from(
            ["stop", "length", "stop_sequence", "tool_calls", "content_filter", "refusal", "pause"]
        ),
        choice=_choice,
    ),
)
_failure = st.just(ev.StreamFailure(RateLimitedError("slow down", retry_after=2)))


def encode(events: list[ev.Event], *, usage: bool = False, n: int = 1, body: Any = b"{}") -> bytes:
    """Encode all events, and the end."""
    encoder = ChatStreamEncoder(context(usage=usage, n=n, body=body))
    wire = b"".join(encoder.encode(event) for event in events) + encoder.end()
    assert encoder.end() == encoder.keepalive() == b""
    assert encoder.encode(ev.TextDelta("late")) == b""
    return wire


@given(
    st.lists(_events | _events | _events | _failure, max_size=25), st.booleans(), st.integers(1, 3)
)
def test_any_events_make_a_legal_stream(events: list[ev.Event], usage: bool, n: int) -> None:
    check(encode(events, usage=usage, n=n), usage=usage)


@given(st.lists(_events, max_size=25), st.booleans())
def test_finished_choices_make_a_complete_stream(events: list[ev.Event], usage: bool) -> None:
    ends = [ev.Finish("stop", choice=choice) for choice in range(3)]
    seen = check(encode([*events, *ends], usage=usage, n=3), usage=usage)
    assert seen.error is None
    assert set(seen.finish) == {0, 1, 2}


@given(st.lists(st.tuples(_call, st.text(max_size=4)), max_size=12))
def test_interleaved_calls_keep_their_arguments(deltas: list[tuple[int, str]]) -> None:
    starts = [ev.ToolCallStart(number, f"c{number}", f"f{number}") for number in range(4)]
    pieces = [ev.ToolCallDelta(number, text) for number, text in deltas]
    seen = check(encode([*starts, *pieces, ev.Finish("stop")]), usage=False)
    for number in range(4):
        expected = "".join(text for of, text in deltas if of == number) or "{}"
        assert seen.calls[0][number]["arguments"] == expected
    assert seen.finish == {0: "tool_calls"}


def test_text_and_thinking_become_chunks() -> None:
    events = [
        ev.ResponseStart("x", "y"),
        ev.ThinkingDelta("hm"),
        ev.TextDelta("Hel"),
        ev.TextDelta("lo"),
        ev.UsageUpdate(Usage(10, 4, 0, 7, 3)),
        ev.Finish("stop"),
    ]
    wire = encode(events, usage=True)
    assert payloads(wire)[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    seen = check(wire, usage=True)
    assert (seen.text, seen.thoughts, seen.finish) == ({0: "Hello"}, {0: "hm"}, {0: "stop"})
    assert seen.usage is not None
    assert seen.usage["prompt_tokens"] == 10
    assert seen.usage["total_tokens"] == 17
    assert seen.usage["prompt_tokens_details"]["cached_tokens"] == 4
    assert seen.usage["completion_tokens_details"]["reasoning_tokens"] == 3
    assert all(chunk["id"] == "chatcmpl-0" and chunk["model"] == "m" for chunk in seen.chunks)


def test_usage_is_omitted_unless_requested() -> None:
    wire = encode([ev.TextDelta("x"), ev.UsageUpdate(Usage(1)), ev.Finish("stop")])
    assert b"usage" not in wire


def test_stream_without_finish_ends_with_an_error() -> None:
    seen = check(encode([ev.TextDelta("half")]), usage=False)
    assert seen.error is not None
    assert seen.error["type"] == "server_error"


def test_failure_ends_the_stream_in_openais_shape() -> None:
    events = [ev.TextDelta("x"), ev.StreamFailure(RateLimitedError("slow down"))]
    assert payloads(encode(events, usage=True))[-2:] == [
        {
            "error": {
                "message": "slow down",
                "type": "rate_limit_error",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        },
        "[DONE]",
    ]


@pytest.mark.parametrize(
    ("reason", "before", "word"),
    [
        ("stop", None, "stop"),
        ("stop_sequence", None, "stop"),
        ("length", None, "length"),
        ("tool_calls", None, "stop"),
        ("content_filter", None, "content_filter"),
        ("refusal", None, "content_filter"),
        ("refusal", ev.RefusalDelta("no"), "stop"),
        ("stop", ev.ToolCallStart(0, "c", "f"), "tool_calls"),
        ("length", ev.ToolCallStart(0, "c", "f"), "length"),
    ],
)
def test_finish_reasons_become_openais(
    reason: ev.FinishReason, before: ev.Event | None, word: str
) -> None:
    events = [ev.TextDelta("x"), *([before] if before else []), ev.Finish(reason)]
    assert check(encode(events), usage=False).finish == {0: word}


def test_calls_media_and_citations_become_chunks() -> None:
    events = [
        ev.TextDelta("über"),
        ev.CitationEvent(Citation("https://a", "A", start=0, end=4)),
        ev.CitationEvent(Citation("https://b", "B")),
        ev.ToolCallStart(7, "c1", "f", signature=Signature("sig", "gemini")),
        ev.ToolCallStart(8, "c2", "patch", "custom", signature=Signature("sig", "claude")),
        ev.ToolCallDelta(8, "*** Begin"),
        ev.ToolCallEnd(7),
        ev.MediaOutput("image/png", InlineData("AAAA")),
        ev.MediaOutput("audio/wav", InlineData("AAAA"), transcript="hi"),
        ev.Finish("tool_calls"),
    ]
    deltas = [chunk["choices"][0]["delta"] for chunk in payloads(encode(events))[:-1]]
    (first,), (second,) = deltas[2]["annotations"], deltas[3]["annotations"]
    assert first["url_citation"] == {
        "url": "https://a",
        "title": "A",
        "start_index": 0,
        "end_index": 4,
    }
    assert second["url_citation"]["start_index"] == 4
    assert deltas[4]["tool_calls"] == [
        {
            "index": 0,
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "sig"}},
        }
    ]
    custom = deltas[5]["tool_calls"][0]
    assert custom["type"] == "custom"
    assert custom["custom"] == {"name": "patch", "input": ""}
    assert custom["extra_content"]["google"]["thought_signature"] == "ag1.claude.sig"
    assert deltas[6]["tool_calls"] == [{"index": 1, "custom": {"input": "*** Begin"}}]
    assert deltas[7]["tool_calls"] == [{"index": 0, "function": {"arguments": "{}"}}]
    assert deltas[8]["images"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}
    ]
    assert deltas[9]["audio"]["transcript"] == "hi"


def test_unsupported_media_become_a_note() -> None:
    clip = ev.MediaOutput("video/mp4", InlineData("AAAA"))
    file = ev.MediaOutput("image/png", FileReference("files/a", "google"))
    found = payloads(encode([clip, file, ev.Finish("stop")]))[:-1]
    texts = [choice["delta"].get("content") for each in found for choice in each["choices"]]
    said = "".join(text for text in texts if text)
    assert said == "[video left out: this protocol has no form for it]files/a"


def test_legacy_functions_get_legacy_calls() -> None:
    events = [
        ev.ToolCallStart(0, "c", "f"),
        ev.ToolCallDelta(0, '{"a":1}'),
        ev.Finish("tool_calls"),
    ]
    found = payloads(encode(events, body={"functions": [{"name": "f"}]}))
    deltas = [chunk["choices"][0]["delta"] for chunk in found[:-1]]
    assert deltas[1]["function_call"] == {"name": "f", "arguments": ""}
    assert deltas[2]["function_call"] == {"arguments": '{"a":1}'}
    assert found[-2]["choices"][0]["finish_reason"] == "function_call"


def test_keepalive_is_a_comment() -> None:
    assert ChatStreamEncoder(context()).keepalive() == b": keep-alive\n\n"


_legal_steps = st.lists(
    st.one_of(
        st.builds(ev.TextDelta, st.text(min_size=1, max_size=5)),
        st.builds(ev.ThinkingDelta, st.text(min_size=1, max_size=5)),
        st.builds(
            lambda name, key, signature: (name, {"k": key}, signature),
            st.text("fgh", min_size=1, max_size=4),
            st.text(max_size=5),
            st.none() | _signature,
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(_legal_steps, st.builds(Usage, _count, _count, output=_count), st.integers(1, 40))
def test_encoded_stream_is_decoded_to_the_same_events(
    steps: list[Any], usage: Usage, size: int
) -> None:
    """Our own client understands our own server, in chunks of any size."""
    events: list[ev.Event] = [ev.ResponseStart("id", "m")]
    number = 0
    for step in steps:
        if isinstance(step, tuple):
            name, arguments, signature = step
            text = str(arguments).replace("'", '"')
            events += [
                ev.ToolCallStart(number, f"call_{number}", name, signature=signature),
                ev.ToolCallDelta(number, text),
                ev.ToolCallEnd(number),
            ]
            number += 1
        else:
            events.append(step)
    events += [ev.UsageUpdate(usage), ev.Finish("tool_calls" if number else "stop")]
    wire = encode(events, usage=True)
    lines, decoder = SseDecoder(), ChatStreamDecoder(context().request)
    back: list[ev.Event] = []
    for place in range(0, len(wire), size):
        for line in lines.feed(wire[place : place + size]):
            back += decoder.decode(line)
    assert list(decoder.close()) == []
    before, after = fold(events), fold(back)
    assert after.usage == before.usage
    assert after.choices[0].text == before.choices[0].text
    assert after.choices[0].tool_calls == before.choices[0].tool_calls
    assert after.choices[0].finish == before.choices[0].finish
