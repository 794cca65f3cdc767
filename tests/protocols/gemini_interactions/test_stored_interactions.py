"""Interactions that are kept: continued, and returned as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from antigravity.ir import events as ev
from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.events import Event
from antigravity.protocols.gemini_interactions import conversation, stored
from tests.protocols.gemini_interactions.builders import SERVER, Checker, call, parse, stream
from tests.protocols.openai_responses.builders import any_sequence

ROUTES = {route.tag: route for route in SERVER.routes if route.operation == "stored"}


def call_of(tag: str, **query: str) -> Call:
    return Call(ROUTES[tag], {"id": "v1_1"}, query, {}, b"", parameters=tuple(query.items()))


def kept(given: Any = "hi") -> bytes:
    _, interaction = stream([ev.TextDelta("ok"), ev.Finish("stop")])
    body = json.dumps({"model": "m", "input": given}).encode()
    return conversation.items_to_store(body, json.dumps(interaction).encode())


def test_history_comes_before_the_input() -> None:
    body = json.dumps(
        {"model": "m", "input": ["and", {"type": "text", "text": "now"}], "store": False}
        | {"previous_interaction_id": "v1_1"}
    ).encode()
    assert conversation.previous_id(body) == "v1_1"
    assert not conversation.wants_store(body)
    whole = conversation.expand(body, [kept()])
    assert json.loads(whole) == {
        "model": "m",
        "store": False,
        "input": [
            {"type": "user_input", "content": [{"type": "text", "text": "hi"}]},
            {"type": "model_output", "content": [{"type": "text", "text": "ok"}]},
            {
                "type": "user_input",
                "content": [{"type": "text", "text": "and"}, {"type": "text", "text": "now"}],
            },
        ],
    }
    roles = [message.role for message in SERVER.decode(call(whole)).messages]
    assert roles == ["user", "assistant", "user"]


@given(any_sequence)
def test_replayed_stream_has_the_steps_of_the_interaction(events: list[Event]) -> None:
    _, interaction = stream(events)
    if interaction is None:
        return
    data = conversation.items_to_store(b'{"model":"m"}', json.dumps(interaction).encode())
    reply = stored.encode(call_of("retrieve", stream="true"), data)
    replayed = parse(reply.body)
    assert Checker(replayed).check() == interaction.pop("steps")
    assert replayed[-1]["interaction"] == interaction
    for place, event in enumerate(replayed):
        after = call_of("retrieve", stream="true", last_event_id=event["event_id"])
        assert parse(stored.encode(after, data).body) == replayed[place + 1 :]


def test_interaction_has_its_input_on_request_only() -> None:
    plain = json.loads(stored.encode(call_of("retrieve"), kept()).body)
    whole = json.loads(stored.encode(call_of("retrieve", include_input="true"), kept()).body)
    given = whole.pop("input")
    assert given == [{"type": "user_input", "content": [{"type": "text", "text": "hi"}]}]
    assert whole == plain
    assert json.loads(stored.encode(call_of("delete"), kept()).body) == {}


@pytest.mark.parametrize(
    ("request_call", "param"),
    [
        (call_of("cancel"), "id"),
        (call_of("retrieve", stream="true", last_event_id="x"), "last_event_id"),
    ],
)
def test_impossible_calls_are_refused(request_call: Call, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        stored.encode(request_call, kept())
    assert caught.value.param == param


def test_missing_interaction_is_not_found() -> None:
    error = stored.not_found(call_of("retrieve"))
    body = json.loads(SERVER.encode_error(error, "").body)
    assert body["error"]["code"] == "not_found"
    assert "v1_1" in body["error"]["message"]


@pytest.mark.parametrize(
    "given",
    ["hi", {"type": "text", "text": "hi"}, [{"type": "user_input", "content": "hi"}], ["hi", "x"]],
)
def test_conversation_is_known_by_its_first_text(given: Any) -> None:
    hint = SERVER.traits.conversation_hint
    assert hint is not None
    later = [{"type": "model_output", "content": "ok"}, {"type": "user_input", "content": "more"}]
    first = hint(call({"model": "m", "input": given}))
    assert first is not None
    if not isinstance(given, list):
        given = [given]
    assert hint(call({"model": "m", "input": [*given, *later]})) == first
