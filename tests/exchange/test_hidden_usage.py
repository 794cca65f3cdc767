"""Chunks that report usage, for clients that have not asked for it: they are not passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams.passed_through import PassedThroughStream
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_tap import ChatTap
from antigravity.sse import ServerSentEvent, SseDecoder
from tests.support.chunks import split_bytes
from tests.support.protocols import SERVERS, context

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
COUNTED = Usage(input_total=7, output=5)
HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    """Return the event of a chunk, without a choice if ``delta`` is ``None``."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: %b\n\n" % json.dumps({**HEAD, "choices": choices, **more}).encode()


#: What providers send, by the client's part of it.
BEFORE = [
    chunk({"role": "assistant", "content": ""}, usage=None),
    *(
        chunk({"content": text}, usage=None)
        for text in ("One", " two", " \\ \ud83d\ude00", "error")
    ),
    chunk({}, "stop", usage=None),
]
#: The chunks of providers that only report usage.
ONLY_USAGE = {
    "openai": chunk(None, usage=USAGE, obfuscation="x9"),
    "vllm": b"data: %b\n\n" % json.dumps({**HEAD, "choices": None, "usage": USAGE}).encode(),
    "groq": b"data: %b\n\n" % json.dumps({"usage": USAGE}).encode(),
    "openrouter": chunk(None, usage=USAGE, provider=None),
    "no space": chunk(None, usage=USAGE).replace(b"data: ", b"data:"),
}


def passed(data: bytes, size: int = 0, *, hides: bool = True) -> tuple[bytes, ChatTap]:
    """Return what a client gets of a stream that arrives in chunks of ``size`` bytes."""
    return passed_in([data[at : at + size] for at in range(0, len(data), size)] if size else [data],
                     hides=hides)  # fmt: skip


def passed_in(chunks: list[bytes], *, hides: bool = True) -> tuple[bytes, ChatTap]:
    """Return what a client gets of chunks, and the tap that has seen them."""
    tap = ChatTap()
    server = SERVERS["openai_chat"]
    encoder = server.encoder(context("openai_chat", REQUEST))
    stream = PassedThroughStream(tap, server.keepalive, encoder)
    if hides:
        stream.visible = tap.without_usage
    out = [stream.feed(each) for each in chunks]
    out.append(stream.end(None))
    assert stream.failure is None
    return b"".join(out), tap


def events_in(data: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.close()]


@pytest.mark.parametrize("name", ONLY_USAGE)
def test_usage_is_counted_and_not_seen(name: str) -> None:
    out, tap = passed_in([*BEFORE, ONLY_USAGE[name], DONE])
    assert out == b"".join(BEFORE) + DONE
    assert tap.usage == COUNTED


@pytest.mark.parametrize("name", ONLY_USAGE)
def test_client_that_has_asked_sees_everything(name: str) -> None:
    stream = [*BEFORE, ONLY_USAGE[name], DONE]
    out, tap = passed_in(stream, hides=False)
    assert out == b"".join(stream)
    assert tap.usage == COUNTED


@pytest.mark.parametrize(
    "kept",
    [
        chunk({}, "stop", usage=USAGE),
        chunk({"role": "assistant", "content": ""}, usage=USAGE),
        chunk(None, prompt_filter_results=[{"prompt_index": 0}]),
        chunk(None, usage=None),
        chunk(None),
    ],
)
def test_chunk_with_anything_else_is_passed_on_as_it_is(kept: bytes) -> None:
    stream = [BEFORE[0], kept, *BEFORE[1:], DONE]
    assert passed_in(stream)[0] == b"".join(stream)


@pytest.mark.parametrize(
    "more", [{"timings": {"prompt_n": 7}}, {"citations": ["https://a.example"]}]
)
def test_what_comes_with_usage_stays_in_a_chunk_with_a_choice(more: dict[str, Any]) -> None:
    out, tap = passed_in([*BEFORE, chunk(None, usage=USAGE, **more), DONE])
    beginning = b"".join(BEFORE)
    assert out.startswith(beginning)
    assert out.endswith(DONE)
    choice = {"index": 0, "delta": {}, "finish_reason": None}
    (event, _) = events_in(out[len(beginning) :])
    assert json.loads(event.data) == {**HEAD, "choices": [choice], **more}
    assert tap.usage == COUNTED


def test_what_every_chunk_has_is_no_news() -> None:
    stream = [chunk({"content": "One"}, provider="P"), chunk({}, "stop", provider="P")]
    out, _ = passed_in([*stream, chunk(None, usage=USAGE, provider="P"), DONE])
    assert out == b"".join(stream) + DONE


def test_kept_chunk_of_completions_has_their_form() -> None:
    head = {"id": "c1", "object": "text_completion"}
    choice = {"index": 0, "text": "One", "finish_reason": "stop"}
    first = b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode()
    last = {**head, "choices": [], "usage": USAGE, "timings": 1}
    out, _ = passed_in([first, b"data: %b\n\n" % json.dumps(last).encode(), DONE])
    empty = {"index": 0, "text": "", "logprobs": None, "finish_reason": None}
    assert json.loads(events_in(out)[1].data) == {**head, "choices": [empty], "timings": 1}


def test_error_with_usage_is_no_report() -> None:
    error = {"error": {"message": "Busy", "type": "server_error"}, "usage": USAGE, "choices": []}
    tap = ChatTap()
    tap.watch(ServerSentEvent("", b'{"choices":[{"index":0,"delta":{"content":"One"}}]}'))
    event = ServerSentEvent("", json.dumps(error).encode())
    tap.watch(event)
    assert tap.without_usage(event) is event
    assert tap.failure is not None


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Draw a stream in chunks of any size, and what the client must see of it."""
    usage = st.sampled_from(sorted(ONLY_USAGE.values()))
    events = list(BEFORE)
    ends_early = draw(st.booleans())
    for each in draw(st.lists(usage, min_size=1, max_size=2)):
        events.insert(draw(st.integers(1, len(events))), each)
    if not ends_early:
        events.append(DONE)
    seen = [each for each in events if each not in ONLY_USAGE.values()]
    if ends_early:
        seen.append(DONE)  # the gateway adds it
    data = b"".join(events)
    if draw(st.booleans()):
        data = data.replace(b"\n", b"\r\n")
    if ends_early and draw(st.booleans()):
        data = data.rstrip(b"\r\n")
    sizes = draw(st.lists(st.integers(0, 120), max_size=20))
    return split_bytes(data, sizes), b"".join(seen)


@given(streams())
def test_any_chunks_show_the_same_events(drawn: tuple[list[bytes], bytes]) -> None:
    chunks, seen = drawn
    out, tap = passed_in(chunks)
    assert events_in(out) == events_in(seen)
    assert tap.usage == COUNTED


@given(st.integers(1, 400))
def test_bytes_before_usage_are_the_same_for_any_chunks(size: int) -> None:
    out, _ = passed(b"".join([*BEFORE, ONLY_USAGE["openai"], DONE]), size)
    assert out == b"".join(BEFORE) + DONE
