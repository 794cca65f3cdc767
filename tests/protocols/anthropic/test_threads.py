"""Message threads: the conversation that is stored, and the request that continues it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Citation
from antigravity.ir.request import Request, ThinkingConfig
from antigravity.ir.response import fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic import threads
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from tests.protocols.anthropic import builders

BETA = {"anthropic-beta": "a,message-threads-2026-08-12"}
CREATE = {"type": "create"}
CONTINUE = {"type": "continue", "previous_message_id": "msg_1"}
FIRST = {
    "model": "m",
    "max_tokens": 9,
    "system": "Be  brief.",
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "messages": [{"role": "user", "content": "one"}],
    "thread": CREATE,
}
SECOND = {
    "model": "m",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "three"}],
    "thread": CONTINUE,
}


def call(body: Any, headers: dict[str, str]) -> Call:
    return replace(builders.call(body), headers=headers)


def wire(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_history_comes_before_new_messages() -> None:
    response = wire({"id": "msg_1", "content": [{"type": "text", "text": "two"}]})
    stored = threads.items_to_store(wire(FIRST), response)
    expanded = json.loads(threads.expand(wire(SECOND), [stored]))
    said = ["one", [{"type": "text", "text": "two"}], "three"]
    assert [message["content"] for message in expanded["messages"]] == said
    assert [message["role"] for message in expanded["messages"]] == ["user", "assistant", "user"]
    assert expanded["max_tokens"] == 5
    assert expanded["thread"] == CREATE
    assert {name: expanded[name] for name in ("system", "tools")} == {
        name: FIRST[name] for name in ("system", "tools")
    }


def test_thread_without_system_and_response_without_content() -> None:
    first = {name: value for name, value in FIRST.items() if name not in ("system", "tools")}
    stored = threads.items_to_store(wire(first), wire({"id": "msg_1", "content": []}))
    expanded = json.loads(threads.expand(wire(SECOND), [stored]))
    assert [message["content"] for message in expanded["messages"]] == ["one", "three"]
    assert not expanded.keys() & {"system", "tools"}


@pytest.mark.parametrize(
    ("body", "headers", "reference", "stores"),
    [
        (FIRST, BETA, None, True),
        (SECOND, BETA, "msg_1", True),
        ({**SECOND, "thread": None}, BETA, None, False),
        ({"model": "m"}, BETA, None, False),
        ({**SECOND, "thread": CREATE}, {}, None, False),
    ],
)
def test_thread_of_request(
    body: Any, headers: dict[str, str], reference: str | None, stores: bool
) -> None:
    request = call(body, headers=headers)
    assert threads.previous_id(request) == reference
    assert threads.wants_store(request) is stores


@pytest.mark.parametrize(
    "thread",
    [{"type": "fork"}, {}, "create", {"type": "continue"}, {**CONTINUE, "previous_message_id": 1}],
)
def test_invalid_thread_is_refused(thread: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        threads.previous_id(call({**SECOND, "thread": thread}, headers=BETA))
    assert "thread" in caught.value.message or "thread" in (caught.value.param or "")


@pytest.mark.parametrize("name", ["system", "tools"])
def test_what_the_thread_keeps_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        threads.previous_id(call({**SECOND, name: FIRST[name]}, headers=BETA))


def test_history_is_never_ignored() -> None:
    """Without the beta nothing else notices that most of the conversation is missing."""
    with pytest.raises(InvalidRequestError):
        ANTHROPIC_SERVER.decode(call(SECOND, headers={}))
    with pytest.raises(InvalidRequestError):  # also if an upstream holds it, and adds the beta
        threads.previous_id(call(SECOND, headers={}))
    ANTHROPIC_SERVER.decode(call({**SECOND, "thread": None}, headers={}))
    ANTHROPIC_SERVER.decode(call({**SECOND, "thread": CREATE}, headers={}))  # it has all of it
    ANTHROPIC_SERVER.decode(call(FIRST, headers=BETA))


def test_stream_is_stored_as_the_whole_message() -> None:
    events: list[ev.Event] = [
        ev.ResponseStart(model="m"),
        ev.ThinkingDelta("Hm."),
        ev.ThinkingSignature(Signature("c2ln", "claude")),
        ev.TextDelta("one "),
        ev.TextDelta("two"),
        ev.CitationEvent(Citation("https://example.com", "Example")),
        ev.ToolCallStart(0, "toolu_1", "f"),
        ev.ToolCallDelta(0, '{"a":'),
        ev.ToolCallDelta(0, "1}"),
        ev.UsageUpdate(Usage(3, 5)),
        ev.Finish("tool_calls"),
    ]
    request = Request("m", (), "anthropic", thinking=ThinkingConfig("on", 2000))

    def context() -> ReplyContext:
        numbers = itertools.count()
        made = call(FIRST, BETA)
        return ReplyContext(made, request, "m", 0, lambda prefix: f"{prefix}{next(numbers)}")

    encoder: Any = ANTHROPIC_SERVER.encoder(context())
    for event in events:
        encoder.encode(event)
    assert encoder.final_response is None
    encoder.end()
    stored = json.loads(encoder.final_response)
    whole = json.loads(ANTHROPIC_SERVER.encode_response(fold(events), context()).body)
    assert stored["id"] == whole["id"]
    assert stored["content"] == whole["content"]
    assert [block["type"] for block in stored["content"]] == ["thinking", "text", "tool_use"]
    plain: Any = ANTHROPIC_SERVER.encoder(builders.context())
    assert not hasattr(plain, "final_response")
