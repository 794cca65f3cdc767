"""Streams in the client's own protocol: nothing is changed, and no cut looks like an end."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antigravity.exchange.streams.passed_through import PassedThroughStream, ReframedStream
from antigravity.ir.errors import DeadlineError, GatewayError
from antigravity.ir.response import fold
from antigravity.ir.usage import Usage
from antigravity.sse import SseDecoder, encode_data
from tests.pairs.streams import BODIES, read, reply_context, wire
from tests.support.chunks import split_bytes
from tests.support.protocols import CLIENTS, SERVERS, call_of, context
from tests.support.responses import HAND_WRITTEN, sense

ANSWER = HAND_WRITTEN["thought, text, calls"]
STREAMS = {name: wire(name, ANSWER) for name in CLIENTS}
#: Other servers end their lines in other ways.
ENDINGS = (b"\n", b"\r\n", b"\r")
CUTS = st.lists(st.integers(1, 200), max_size=12)


def passed(name: str) -> PassedThroughStream:
    server = SERVERS[name]
    return PassedThroughStream(
        CLIENTS[name].tap(), server.keepalive, server.encoder(reply_context(name))
    )


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(sizes=CUTS)
def test_bytes_pass_unchanged(name: str, ending: bytes, sizes: list[int]) -> None:
    data = STREAMS[name].replace(b"\n", ending)
    stream = passed(name)
    out = b"".join([*(stream.feed(piece) for piece in split_bytes(data, sizes)), stream.end(None)])
    assert out == data
    assert stream.failure is None
    assert stream.meaningful
    assert stream.usage is not None
    assert (stream.usage.input_total, stream.usage.output) == (120, 33)


@pytest.mark.parametrize("name", CLIENTS)
def test_line_end_in_two_parts_passes(name: str) -> None:
    data = STREAMS[name].replace(b"\n", b"\r\n")
    stream = passed(name)
    assert stream.feed(data[:-1]) + stream.feed(data[-1:]) + stream.end(None) == data


@pytest.mark.parametrize("name", CLIENTS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(part=st.floats(0.0, 0.8), known=st.booleans())
def test_broken_stream_ends_with_error_event(name: str, part: float, known: bool) -> None:
    data = STREAMS[name]
    error: GatewayError | None = DeadlineError("Too slow.") if known else None
    stream = passed(name)
    place = int(len(data) * part)
    out = stream.feed(data[:place]) + stream.end(error)
    if stream.failure is None:  # cut between two items, which looks like an end without a word
        assert name == "openai_responses"
        assert not known
        assert b"response.completed" in out
        return
    assert stream.failure is not None
    whole = data[:place].rpartition(b"\n\n")[0]
    assert out.startswith(whole)
    added = SseDecoder().feed(out[len(whole) :].lstrip(b"\n"))
    assert added, "something tells of the cut"
    told = b"".join(frame.data for frame in added)
    assert b"error" in told
    assert (b"Too slow." if known else b"broke off") in told
    with pytest.raises(GatewayError):
        read(name, out)
    assert stream.feed(data[place:]) == b""
    assert stream.end(None) == b""


@settings(max_examples=30, deadline=None)
@given(sizes=CUTS, enveloped=st.booleans())
def test_gemini_array_has_payloads_of_stream(sizes: list[int], enveloped: bool) -> None:
    data = STREAMS["gemini"]
    payloads = [json.loads(frame.data) for frame in SseDecoder().feed(data)]
    if enveloped:
        data = b"".join(
            encode_data(json.dumps({"response": payload}).encode()) for payload in payloads
        )
    stream = reframed(enveloped=enveloped, sse=False)
    out = b"".join([*(stream.feed(piece) for piece in split_bytes(data, sizes)), stream.end(None)])
    assert out[:1] == b"["
    assert out[-1:] == b"]"
    assert json.loads(out) == payloads
    assert isinstance(stream.usage, Usage)
    assert stream.keepalive() == b""


def reframed(*, enveloped: bool, sse: bool) -> ReframedStream:
    server = SERVERS["gemini"]

    def unwrap(data: bytes) -> bytes:
        return json.dumps(json.loads(data)["response"]).encode() if enveloped else data

    return ReframedStream(
        CLIENTS["gemini"].tap(),
        server.keepalive,
        unwrap,
        server.traits.framing.framer(call_of("gemini", BODIES["gemini"], sse=sse)),
        server.traits.framing.encode_failure,
    )


@pytest.mark.parametrize("sse", [False, True])
@pytest.mark.parametrize("cut", [0, 60, 400])
def test_broken_array_is_valid_json(cut: int, sse: bool) -> None:
    stream = reframed(enveloped=False, sse=sse)
    out = stream.feed(STREAMS["gemini"][:cut]) + stream.end(DeadlineError("Too slow."))
    found = [json.loads(frame.data) for frame in SseDecoder().feed(out)] if sse else json.loads(out)
    assert found[-1]["error"]["message"] == "Too slow."
    assert found[-1]["error"]["code"] == 504
    assert found[-1]["candidates"][0]["finishReason"]  # without one, some clients ask again
    assert stream.end(None) == b""


def test_array_of_other_protocol_equals_stream() -> None:
    encoder = SERVERS["gemini"].encoder(context("gemini", BODIES["gemini"], sse=False))
    out = b"".join([*(encoder.encode(event) for event in ANSWER), encoder.end()])
    as_events = b"".join(encode_data(json.dumps(chunk).encode()) for chunk in json.loads(out))
    assert sense(read("gemini", as_events)) == sense(fold(ANSWER))


def test_passed_stream_omits_ping_events() -> None:
    first, last = STREAMS["openai_chat"].split(b"data: [DONE]")[0], b"data: [DONE]\n\n"
    names = (b"ping", b"heartbeat", b"keep-alive")
    pings = [b"event: %b\ndata: x\n\n" % name for name in names]
    for noise in (*pings, b"event: ping\ndata:\n\n", b"data: \n\n"):
        stream = passed("openai_chat")
        out = stream.feed(noise + first + noise + last) + stream.end(None)
        assert stream.failure is None
        assert [frame.data for frame in SseDecoder().feed(out)] == [
            frame.data for frame in SseDecoder().feed(first + last)
        ]


@pytest.mark.parametrize("mark", [b"data: DONE\n\n", b"data: done!\n\n", b"data: <end>\n\n"])
def test_passed_stream_omits_unknown_end_markers(mark: bytes) -> None:
    first = STREAMS["openai_chat"].split(b"data: [DONE]")[0]
    stream = passed("openai_chat")
    out = stream.feed(first) + stream.feed(mark) + stream.end(None)
    assert stream.failure is None
    assert mark.strip() not in out
    assert out.endswith(b"data: [DONE]\n\n")


def test_gemini_stream_omits_done_marker() -> None:
    stream = passed("gemini")
    out = stream.feed(STREAMS["gemini"]) + stream.feed(b"data: [DONE]\n\n") + stream.end(None)
    assert stream.failure is None
    assert b"DONE" not in out
    assert out.startswith(STREAMS["gemini"])


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_passed_stream_replaces_invalid_utf8(size: int) -> None:
    broken = b'data: {"choices":[{"index":0,"delta":{"content":"h\xffi"}}]}\n\n'
    data = broken + STREAMS["openai_chat"]
    stream = passed("openai_chat")
    cuts = range(0, len(data), size)
    out = b"".join([stream.feed(data[place : place + size]) for place in cuts]) + stream.end(None)
    assert "h\ufffdi" in out.decode()


GARBAGE = (b'data: {"broken": [1, 2,\n\n', b"data: <html>\n\n", b"data: \xff\xfe\n\n")


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("name", CLIENTS)
def test_malformed_event_ends_passed_stream_with_error_after_valid_events(
    name: str, garbage: bytes
) -> None:
    first, blank, _ = STREAMS[name].partition(b"\n\n")
    stream = passed(name)
    out = stream.feed(first + blank + garbage + STREAMS[name]) + stream.end(None)
    assert stream.failure is not None
    assert out.startswith(first + blank)
    assert garbage not in out
    with pytest.raises(GatewayError, match="not JSON"):
        read(name, out)


def test_malformed_element_of_array_becomes_error_as_last_element() -> None:
    stream = reframed(enveloped=False, sse=False)
    out = stream.feed(STREAMS["gemini"].partition(b"\n\n")[0] + b"\n\n" + GARBAGE[0])
    assert [("error" in element) for element in json.loads(out + stream.end(None))] == [False, True]
