"""A kept conversation goes on as if the client had sent all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import events as ev
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Text, Thinking, ToolCall, ToolResult
from antigravity.ir.signature import Signature
from antigravity.protocols.openai_responses import conversation
from antigravity.protocols.openai_responses.item_ids import item_id, response_of
from tests.protocols.openai_responses.builders import SERVER, call, context, stream


def wire(value: Any) -> bytes:
    return json.dumps(value).encode()


FIRST = {"model": "m", "instructions": "old", "input": "hi \u2603", "temperature": 0.10}
ANSWER: list[ev.Event] = [
    ev.ThinkingDelta("hm"),
    ev.ThinkingSignature(Signature("s", "claude")),
    ev.TextDelta("ok"),
    ev.ToolCallStart(0, "a", "f"),
    ev.ToolCallEnd(0),
    ev.Finish("tool_calls"),
]
SECOND = {
    "model": "m",
    "instructions": "new",
    "previous_response_id": "resp_1",
    "input": [{"type": "function_call_output", "call_id": "a", "output": "1"}],
}


def test_second_turn_follows_first() -> None:
    _stream, response = stream(ANSWER)
    assert response is not None
    kept = conversation.items_to_store(wire(FIRST), response)
    assert conversation.previous_id(wire(SECOND)) == "resp_1"
    expanded = conversation.expand(wire(SECOND), [kept])
    assert conversation.previous_id(expanded) is None
    request = SERVER.decode(call(expanded))
    assert request.system == (Text("new"),)
    assert [message.parts for message in request.messages] == [
        (Text("hi \u2603"),),
        (
            Thinking("hm", Signature("s", "claude")),
            Text("ok", phase="commentary"),
            ToolCall("a", "f", "{}"),
        ),
        (ToolResult("a", (Text("1"),)),),
    ]
    again = conversation.items_to_store(expanded, response)
    assert len(json.loads(again)["input"]) == len(json.loads(kept)["input"]) + 3 + 1
    assert json.loads(again)["response"] == json.loads(response)


def test_other_fields_are_unchanged() -> None:
    body = b'{"model":"m", "temperature":0.10,"input":"x","previous_response_id":"r","n":1e2}'
    expanded = conversation.expand(body, [])
    assert b'"temperature":0.10' in expanded
    assert b'"n":1e2' in expanded
    assert json.loads(expanded)["input"] == [{"type": "message", "role": "user", "content": "x"}]


def test_body_without_input_is_history_only() -> None:
    kept = conversation.items_to_store(
        b'{"input":[{"id":"a"}]}', b'{"id":"r","output":[{"id":"b"}]}'
    )
    expanded = conversation.expand(b'{"previous_response_id":"r"}', [kept])
    assert json.loads(expanded) == {"input": [{"id": "a"}, {"id": "b"}]}


@pytest.mark.parametrize(
    ("body", "reference", "store"),
    [
        ({}, None, True),
        ({"store": None, "previous_response_id": None}, None, True),
        ({"store": False, "previous_response_id": "r"}, "r", False),
    ],
)
def test_previous_id_and_store_are_read(body: Any, reference: str | None, store: bool) -> None:
    assert conversation.previous_id(wire(body)) == reference
    assert conversation.wants_store(wire(body)) is store


def test_switches_of_a_wrong_type_are_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        conversation.previous_id(b'{"previous_response_id": 3}')
    assert caught.value.param == "previous_response_id"
    with pytest.raises(InvalidRequestError):
        conversation.wants_store(b"[]")


items = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("message"), "role": st.just("user"), "content": st.text(max_size=5)}
    ),
    max_size=4,
)


@given(st.lists(st.tuples(items, items), min_size=1, max_size=4))
def test_turn_by_turn_nothing_is_lost_or_reordered(turns: list[tuple[Any, Any]]) -> None:
    kept = conversation.items_to_store(b"{}", b"{}")
    said: list[Any] = []
    for number, (asked, answered) in enumerate(turns):
        body = wire({"model": "m", "input": asked, "previous_response_id": f"r{number}"})
        expanded = conversation.expand(body, [kept])
        said += asked
        assert json.loads(expanded)["input"] == said
        kept = conversation.items_to_store(expanded, wire({"id": "x", "output": answered}))
        assert json.loads(kept)["input"] == said
        said += answered


def test_only_completed_response_can_be_stored() -> None:
    encoder = SERVER.encoder(context())
    for event in ANSWER:
        assert encoder.final_response is None
        encoder.encode(event)
    encoder.end()
    assert encoder.final_response is not None
    assert json.loads(encoder.final_response)["object"] == "response"


def test_references_are_replaced_by_stored_items() -> None:
    call = {"id": item_id("fc_", "resp_ab", 1), "type": "function_call", "name": "f"}
    other = {"id": "msg_of-another-upstream", "type": "message"}
    output = [call, {"type": "message", "content": "without an id"}]
    stored = conversation.items_to_store(b'{"input":"x"}', wire({"id": "x", "output": output}))
    references = [{"type": "item_reference", "id": each["id"]} for each in (call, other)]
    text = {"role": "user", "content": 'the word "item_reference"'}
    body = wire({"model": "m", "input": [text, *references]})
    assert "resp_ab" in conversation.referenced_responses(body)
    resolved = json.loads(conversation.with_referenced_items(body, {"resp_ab": stored}))
    assert resolved == {"model": "m", "input": [text, call, references[1]]}


@pytest.mark.parametrize("given", ["x", [{"id": "msg_1", "role": "user", "content": "x"}], None])
def test_requests_without_references_name_no_responses(given: object) -> None:
    assert not conversation.referenced_responses(wire({"model": "m", "input": given}))


def test_item_ids_name_their_response() -> None:
    ids = {item_id(prefix, "resp_0f1e", n) for prefix in ("fc_", "msg_") for n in (0, 300)}
    assert len(ids) == 4
    assert {response_of(each) for each in ids} == {"resp_0f1e"}
    assert response_of("x") == "resp_"
