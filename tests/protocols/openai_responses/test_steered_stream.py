"""A stream with several responses, because the first was steered."""

from __future__ import annotations

import json
from typing import Any

from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.client_tap import ResponsesTap
from antigravity.sse import ServerSentEvent


def watch(tap: ResponsesTap, kind: str, **members: Any) -> None:
    data = json.dumps({"type": kind, **members}).encode()
    tap.watch(ServerSentEvent(kind, data))


def complete(tap: ResponsesTap, name: str, tokens: int) -> None:
    usage = {"input_tokens": tokens, "output_tokens": 1}
    watch(tap, "response.completed", response={"id": name, "usage": usage})


def test_usage_is_that_of_all_responses() -> None:
    tap = ResponsesTap()
    ids: list[str] = []
    tap.on_response_id(ids.append)
    for number in (1, 2, 3):
        watch(tap, "response.created", response={"id": f"r{number}"})
        assert not tap.finished
        complete(tap, f"r{number}", 10 * number)
    assert tap.finished
    assert tap.usage == Usage(input_total=60, output=3)
    assert ids == ["r1"]


def test_successor_that_breaks_off_is_not_complete() -> None:
    tap = ResponsesTap()
    watch(tap, "response.created", response={"id": "r1"})
    watch(tap, "response.output_item.added")
    watch(tap, "response.output_item.done", item={"type": "message"})
    complete(tap, "r1", 5)
    watch(tap, "response.created", response={"id": "r2"})
    assert not tap.finished
    assert tap.close() is None


def test_successor_that_only_lacks_its_end_is_closed() -> None:
    tap = ResponsesTap()
    watch(tap, "response.created", response={"id": "r1"})
    complete(tap, "r1", 5)
    watch(tap, "response.created", response={"id": "r2"})
    watch(tap, "response.output_item.added")
    watch(tap, "response.output_item.done", item={"type": "message", "id": "m2"})
    closing = tap.close()
    assert closing is not None
    data = json.loads(closing.partition(b"data: ")[2])
    assert data["response"]["id"] == "r2"
    assert [each["id"] for each in data["response"]["output"]] == ["m2"]
