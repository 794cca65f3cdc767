"""The event that ends a broken stream of the Responses API continues the upstream's numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.exchange.streams.passed_through import PassedThroughStream
from antigravity.ir.errors import UpstreamError
from antigravity.protocols.openai_responses.client_tap import ResponsesTap
from antigravity.sse import SseDecoder
from tests.support.protocols import SERVERS, context

REQUEST = {"model": "m", "input": "Hi"}
RESPONSE = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}


def event(kind: str, number: int | None, **fields: Any) -> bytes:
    numbered = {} if number is None else {"sequence_number": number}
    data = json.dumps({"type": kind, **numbered, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def begin(first: int | None = 0) -> bytes:
    second = None if first is None else first + 1
    return event("response.created", first, response=RESPONSE) + event(
        "response.output_item.added", second, output_index=0, item=ITEM
    )


def delta(number: int | None, text: str = "word") -> bytes:
    kind = "response.output_text.delta"
    return event(kind, number, item_id="msg_1", output_index=0, content_index=0, delta=text)


def broken(data: bytes, size: int = 0) -> list[dict[str, Any]]:
    """Return the events of a stream that arrives in chunks of ``size`` bytes and breaks off."""
    server = SERVERS["openai_responses"]
    encoder = server.encoder(context("openai_responses", REQUEST))
    stream = PassedThroughStream(ResponsesTap(), server.keepalive, encoder)
    chunks = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    out = b"".join(map(stream.feed, chunks)) + stream.end(UpstreamError("It broke off."))
    assert out.startswith(data)
    return [json.loads(each.data) for each in SseDecoder().feed(out)]


@pytest.mark.parametrize("size", [0, 1, 7, 100])
@pytest.mark.parametrize("deltas", [0, 1, 2, 20])
def test_error_continues_the_numbers(size: int, deltas: int) -> None:
    data = begin(3) + b"".join(delta(5 + number) for number in range(deltas))
    numbers = [each["sequence_number"] for each in broken(data, size)]
    assert numbers == list(range(3, 3 + len(numbers)))
    assert broken(data, size)[-1]["type"] in ("error", "response.failed")
    assert len(numbers) > 2 + deltas


def test_text_that_looks_like_a_number_is_none() -> None:
    data = begin() + delta(2, '"sequence_number": 99, ')
    assert broken(data)[3]["sequence_number"] == 3


def test_stream_without_numbers_has_a_first_one() -> None:
    data = begin(None) + delta(None) + delta(None)
    assert broken(data)[4]["sequence_number"] == 0


def test_number_before_an_event_without_one_counts() -> None:
    assert broken(begin() + delta(2) + delta(None))[4]["sequence_number"] == 3


def test_completing_event_has_the_next_number() -> None:
    item = {**ITEM, "content": [{"type": "output_text", "text": "word"}]}
    tap = ResponsesTap()
    server = SERVERS["openai_responses"]
    encoder = server.encoder(context("openai_responses", REQUEST))
    stream = PassedThroughStream(tap, server.keepalive, encoder)
    done = event("response.output_item.done", 3, output_index=0, item=item)
    out = stream.feed(begin() + delta(2) + done) + stream.end(None)
    last = json.loads(SseDecoder().feed(out)[-1].data)
    assert (last["type"], last["sequence_number"]) == ("response.completed", 4)
