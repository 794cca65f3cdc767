"""Secrets that a stream sends in pieces are removed from what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ledger.payload_text import HEAD, SPREAD, TAIL, keep
from antigravity.ledger.stream_documents import documents
from tests.support.payloads import ADDRESS, KEY, ODD, TOKEN, body_of, make_redactor

#: Of an issuer that is known by the beginning of its keys.
ISSUED: Final = "ghp_" + "A1b2" * 9
#: What is not a secret until it is joined.
MEMBER: Final = '{"password": "hunter2hunter2"}'
SECRETS: Final = {
    **{each: each for each in (KEY, ODD, TOKEN, ISSUED)},
    ADDRESS: ADDRESS,
    MEMBER: "hunter2hunter2",
    "?api_key=very-private&b": "very-private",
}


def events(*values: Any) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(value).encode() for value in values)


def named_events(*values: Any) -> bytes:
    return b"".join(
        b"event: %s\r\ndata: %s\r\n\r\n"
        % (value["type"].encode(), json.dumps(value, ensure_ascii=False).encode())
        for value in values
    )


def split_events(*values: Any) -> bytes:
    """Return events with several data lines each."""
    return b"".join(
        b"".join(b"data: %s\n" % line.encode() for line in json.dumps(value, indent=1).split("\n"))
        + b"\n"
        for value in values
    )


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def array(*values: Any) -> bytes:
    return b"[" + b"\n,".join(json.dumps(value).encode() for value in values) + b"\n]"


def pretty_array(*values: Any) -> bytes:
    return json.dumps(values, indent=2, ensure_ascii=False).encode()


def chat(member: str) -> Callable[[str], Any]:
    return lambda piece: {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": {member: piece}}],
    }


def chat_call(piece: str) -> Any:
    call = {"index": 1, "function": {"arguments": piece}}
    return {"choices": [{"index": 1, "delta": {"tool_calls": [call]}}]}


def logprobs(piece: str) -> Any:
    token = {"token": piece, "logprob": -0.5, "bytes": list(piece.encode())}
    content = [{**token, "top_logprobs": [{"token": "x"}, token]}]
    return {"choices": [{"delta": {"content": piece}, "logprobs": {"content": content}}]}


def anthropic(kind: str, member: str) -> Callable[[str], Any]:
    return lambda piece: {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": kind, member: piece},
    }


def responses(kind: str) -> Callable[[str], Any]:
    counter = iter(range(10_000))
    return lambda piece: {
        "type": f"response.{kind}.delta",
        "output_index": 1,
        "content_index": 0,
        "item_id": f"item_{next(counter)}",
        "delta": piece,
        "sequence_number": 7,
    }


def gemini(piece: str) -> Any:
    return {"candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}}]}


def gemini_parts(piece: str) -> Any:
    parts = [{"text": each} for each in (piece[:3], piece[3:]) if each]
    return {"candidates": [{"content": {"parts": parts, "role": "model"}}]}


def interactions(piece: str) -> Any:
    return {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": piece}}


#: How a piece is sent, and another text between the pieces.
PROTOCOLS: Final[dict[str, tuple[Callable[..., bytes], Callable[[], Any], Any]]] = {
    "chat": (
        events,
        lambda: chat("content"),
        {"choices": [{"index": 1, "delta": {"content": "B"}}]},
    ),
    "chat reasoning": (events, lambda: chat("reasoning_content"), chat("content")("B")),
    "chat call": (events, lambda: chat_call, chat("content")("B")),
    "chat logprobs": (events, lambda: logprobs, {"choices": []}),
    "completions": (
        events,
        lambda: lambda piece: {"choices": [{"text": piece, "index": 0}]},
        {"choices": [{"text": "B", "index": 1}]},
    ),
    "text": (
        named_events,
        lambda: anthropic("text_delta", "text"),
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "B"}},
    ),
    "partial_json": (
        named_events,
        lambda: anthropic("input_json_delta", "partial_json"),
        {"type": "ping"},
    ),
    "thinking": (named_events, lambda: anthropic("thinking_delta", "thinking"), {"type": "ping"}),
    "output_text": (
        named_events,
        lambda: responses("output_text"),
        {"type": "response.output_text.delta", "output_index": 2, "delta": "B"},
    ),
    "function_call": (
        named_events,
        lambda: responses("function_call_arguments"),
        {"type": "response.audio.transcript.delta", "output_index": 1, "delta": "B"},
    ),
    "gemini": (events, lambda: gemini, {"usageMetadata": {"totalTokenCount": 1}}),
    "gemini parts": (events, lambda: gemini_parts, {"candidates": [{"index": 1}]}),
    "gemini array": (array, lambda: gemini, {"candidates": []}),
    "gemini pretty array": (pretty_array, lambda: gemini_parts, {"candidates": []}),
    "gemini split": (split_events, lambda: gemini, {"candidates": []}),
    "interactions": (
        events,
        lambda: interactions,
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "B"}},
    ),
    "ndjson": (
        lines,
        lambda: lambda piece: {"message": {"role": "assistant", "content": piece}},
        {"done": False},
    ),
}


def values_of(data: bytes) -> list[Any]:
    """Return the documents of a stream, read in another way than the ledger does."""
    text = data.decode()
    if text.startswith("["):
        found = json.loads(text)
        assert isinstance(found, list)
        return found
    if text.startswith("{"):
        return [json.loads(line) for line in text.splitlines()]
    blocks = text.replace("\r\n", "\n").removesuffix("\n\n").split("\n\n")
    return [
        json.loads("\n".join(line[6:] for line in block.split("\n") if line.startswith("data: ")))
        for block in blocks
    ]


def strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in {"type", "event_type", "id", "object", "model", "role", "item_id"}:
                yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)


def joined(data: bytes, other: Any) -> str:
    """Return the text of all documents but those between them."""
    return "".join(
        text for value in values_of(data) if value != other for text in strings_of(value)
    )


def kept(data: bytes, content_type: str = "") -> bytes:
    return keep(body_of(data), content_type, make_redactor()).text


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({each % (len(text) + 1) for each in places} - {0, len(text)})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


HARMLESS: Final = st.text(alphabet='ab é\n\\"{😀', max_size=12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("text", SECRETS)
@settings(max_examples=12, deadline=None)
@given(
    places=st.lists(st.integers(0, 200), min_size=1, max_size=30),
    before=HARMLESS,
    after=HARMLESS,
    mixed=st.booleans(),
)
def test_secret_in_pieces_is_removed(
    protocol: str, text: str, places: list[int], before: str, after: str, *, mixed: bool
) -> None:
    write, make, other = PROTOCOLS[protocol]
    build = make()
    sent: list[Any] = []
    for piece in cut(f"{before} {text} {after}", places):
        sent += [build(piece), other] if mixed else [build(piece)]
    data = write(*sent)
    found = kept(data)
    values = values_of(found)
    assert len(values) == len(sent)
    shown = joined(found, other)
    assert SECRETS[text] not in shown
    if protocol != "chat logprobs":
        mark = "So***@Example.com" if text == ADDRESS else "[redacted]"
        assert shown.startswith(f"{before} ")
        assert shown.endswith(f" {after}")
        assert shown.count(mark) == 1
    else:
        for value in values:
            (choice,) = value["choices"] or [{"delta": {"content": ""}}]
            assert SECRETS[text] not in choice["delta"]["content"]
        assert SECRETS[text] not in "".join(
            each["token"]
            for value in values
            for choice in value["choices"]
            for each in choice["logprobs"]["content"]
        )
        assert SECRETS[text].encode() not in b"".join(
            bytes(each["bytes"] or b"")
            for value in values
            for choice in value["choices"]
            for each in choice["logprobs"]["content"]
        )
    assert values.count(other) == sent.count(other)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20), st.integers(0, 400), st.integers(0, 400))
def test_other_streams_stay(protocol: str, texts: list[str], first: int, last: int) -> None:
    write, make, other = PROTOCOLS[protocol]
    build = make()
    usable = [each.encode("utf-8", "replace").decode() for each in texts]
    data = write(*(each for text in usable for each in (build(text), other)))
    assert kept(data) == data
    part = data[first : len(data) - last]
    assert kept(part, "text/event-stream") == part or b"\0" in part or not _is_utf8(part)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_first_event_has_mark_and_others_lose_their_part() -> None:
    pieces = ["key: sk-cli", "", "ent-01234", "56789abcdef, and é"]
    found = kept(events(*map(chat("content"), pieces)))
    texts = [each["choices"][0]["delta"]["content"] for each in values_of(found)]
    assert texts == ["key: [redacted]", "", "", ", and é"]


def test_nothing_else_of_changed_event_changes() -> None:
    first = (
        rb'data: {"n":1.50e+1, "delta" :{"text":"\u00e9\/\ud83d\ude00 sk-client-" , "z":"\u0041"}}'
    )
    second = 'data:{"delta":{"text":"0123456789abcdef\\n é"}}'.encode()
    between = b": comment\nid: 7\nretry: 10\nevent: x"
    data = b"\n".join((first, b"", between, second, b"", b"data: [DONE]", b"", b""))
    expected = data.replace(b"sk-client-", b"[redacted]").replace(b"0123456789abcdef", b"")
    assert kept(data, "text/event-stream") == expected


def test_event_that_cannot_be_changed_is_replaced() -> None:
    twice = b'data: {"delta":{"text":"a","text":"0123456789abcdef"}}\n\n'
    data = events({"delta": {"text": "sk-client-"}}) + twice
    assert kept(data) == events({"delta": {"text": "[redacted]"}}, "[redacted]")


def test_text_that_begins_with_block_goes_on_with_its_deltas() -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": {"text": KEY[:9]}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"text": KEY[9:]}}
    found = values_of(kept(events(start, delta)))
    assert (found[0]["content_block"], found[1]["delta"]) == (
        {"text": "[redacted]"},
        {"text": ""},
    )


def test_events_that_cannot_be_read_do_not_matter() -> None:
    broken = b"data: {broken\n\ndata: [DONE]\n\ndata: " + b"[" * 100_000 + b"\n\n"
    data = events(gemini(KEY[:9])) + broken + events(gemini(KEY[9:]))
    found = kept(data)
    assert broken in found
    assert found == events(gemini("[redacted]")) + broken + events(gemini(""))


@pytest.mark.parametrize("write", [events, array, lines])
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("shift", [0, 1234])
def test_both_parts_of_long_stream_have_no_secrets(
    write: Callable[..., bytes], captured: bool, shift: int
) -> None:  # fmt: skip
    padding = "z" * 3000
    piece = [f"{KEY[:9]}", f"{KEY[9:]} {padding}"]
    values = [gemini("y" * (shift + 1)), *(gemini(each) for each in piece * 900)]
    data = write(*values)
    assert len(data) > HEAD + TAIL + 2 * SPREAD
    body = body_of(data)
    if captured:
        middle = HEAD + SPREAD + 99
        tail = data[-TAIL - SPREAD :]
        body.head, body.tail = (data[:middle],), (tail,)
    found = keep(body, "", make_redactor())
    assert found.cut
    texts = [
        "".join(text for _, value in documents(part, _framing(write)) for text in strings_of(value))
        for part in (found.text[: found.head].decode(), found.text[found.head :].decode())
    ]
    for text in texts:
        assert text.count("[redacted]") > 100
        assert KEY not in text
        assert KEY[9:] not in text.partition("zzz")[2]


def _framing(write: object) -> Any:
    return "events" if write is events else "objects"


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a":' * 170_000,
        b"[" + b'{"a":"{' * 140_000,
        b"data: {\n" * 120_000,
        b"data: x\n\n" * 110_000,
        b"data: {x\n\n" * 100_000,
        b'data: {"a":["' + b'","'.join([b"b"] * 250_000) + b'"]}\n\ndata: {"a":"b"}\n\n',
        b'data: {"a":"b"}\n\n' * 60_000,
        b"[{" + b"\n{" * 500_000,
    ],
)
def test_hostile_streams_take_bounded_time(data: bytes) -> None:
    assert kept(data) == data
