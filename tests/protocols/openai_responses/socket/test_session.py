"""The Responses API over WebSocket: messages, errors, lanes and limits."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.errors import UnavailableError
from tests.protocols.openai_responses.socket.builders import Peer, call, event, output


def test_members_of_websocket_do_not_reach_the_body() -> None:
    peer = Peer()
    peer.create(
        stream_id="a", generate=True, stream=False, stream_options={"x": 1}, background=False, x=1
    )
    assert peer.body == {"model": "m", "input": "hi", "store": False, "x": 1, "stream": True}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "x"}, 429, None),
        ({"type": "error", "code": "server_error", "message": "x"}, 500, None),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "x"}}, 400, None),
        (
            {"type": "error", "status": 503, "error": {"code": "slow_down", "message": "x"}},
            503,
            None,
        ),
        ({"type": "error", "message": "x"}, 500, "server_error"),
    ],
)
def test_errors_in_streams_get_a_status(sent: Any, status: int, code: str | None) -> None:
    peer = Peer()
    peer.create(stream_id="a")
    ticket = peer.requests[-1].ticket
    peer.perform(peer.session.feed(ticket, f"data: {json.dumps(sent)}\n\n".encode()))
    peer.perform(peer.session.end(ticket))
    (message,) = peer.messages
    assert (message["type"], message["status"], message["stream_id"]) == ("error", status, "a")
    assert message["error"]["message"] == "x"
    expected = code or sent.get("code") or sent["error"].get("code") or sent["error"]["type"]
    assert message["error"]["code"] == expected


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error":"text"}', b'{"detail":"text"}'])
def test_errors_of_any_form_are_reported(body: bytes) -> None:
    peer = Peer()
    peer.create()
    peer.perform(peer.session.reply(peer.requests[-1].ticket, 502, (), body))
    assert peer.messages[-1]["status"] == 502
    assert peer.error["code"] == "server_error"
    if b"text" in body:
        assert peer.error["message"] == "text"


def test_whole_response_becomes_events() -> None:
    peer = Peer()
    peer.create()
    body = json.dumps({"id": "r1", "output": [call("c1")]}).encode()
    peer.perform(peer.session.reply(1, 200, (), body))
    kinds = [each["type"] for each in peer.messages]
    assert kinds == ["response.created", "response.in_progress", "response.completed"]
    peer.create(input=[output("c1")], previous_response_id="r1")
    assert len(peer.requests) == 2


def test_whole_reply_that_is_no_response_is_an_error() -> None:
    peer = Peer()
    peer.create()
    peer.perform(peer.session.reply(1, 200, (), b"text"))
    assert peer.messages[-1]["status"] == 500


def test_acknowledgements_are_ignored() -> None:
    peer = Peer()
    peer.send("response.processed", response_id="r1")
    assert not peer.messages


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"type": "session.update"}, "type"),
        ({"type": 1}, "type"),
        ({}, "type"),
        ({"type": "response.create", "stream_id": ""}, "stream_id"),
        ({"type": "response.create", "stream_id": 1}, "stream_id"),
        ({"type": "response.create", "stream_id": "x" * 300}, "stream_id"),
        ({"type": "response.create", "generate": "no"}, "generate"),
        ({"type": "response.create", "background": True}, "background"),
        ({"type": "response.create", "previous_response_id": 1}, "previous_response_id"),
        ({"type": "response.steer", "input": "x"}, "previous_response_id"),
        ({"type": "response.steer", "previous_response_id": "x"}, "input"),
    ],
)
def test_invalid_messages_name_the_field(message: Any, param: str) -> None:
    peer = Peer()
    peer.perform(peer.session.receive(json.dumps(message).encode()))
    assert (peer.messages[-1]["status"], peer.error["param"]) == (400, param)
    assert peer.error["code"]


def test_requests_in_flight_are_limited() -> None:
    peer = Peer()
    for number in range(16):
        peer.create(stream_id="a" if number % 2 else f"lane{number}")
    peer.create(stream_id="b")
    assert peer.error["code"] == "websocket_stream_limit_reached"
    peer.complete("r1", ticket=1)
    peer.create(stream_id="b")
    assert len(peer.requests) == 10


def test_lanes_are_limited() -> None:
    peer = Peer()
    for number in range(32):
        peer.create(stream_id=f"lane{number}")
        peer.complete(f"r{number}")
    peer.create()  # without a name
    peer.create(stream_id="lane7")
    peer.create(stream_id="lane32")
    assert peer.error["code"] == "websocket_stream_limit_reached"
    assert len(peer.requests) == 34


def test_bytes_that_wait_are_limited() -> None:
    peer = Peer(max_waiting_bytes=500)
    peer.create(input="x" * 1000)  # runs at once
    peer.create(input="x" * 300)
    peer.create(input="x" * 300)
    assert peer.error["code"] == "websocket_stream_limit_reached"
    peer.complete("r1")
    peer.create(input="x" * 300)
    assert len(peer.messages) == 2


def test_refused_connection_answers_what_waits() -> None:
    peer = Peer()
    peer.create(stream_id="a")
    peer.create(stream_id="a")
    peer.perform(peer.session.refuse_requests(UnavailableError("Later.")))
    assert (peer.messages[-1]["status"], peer.messages[-1]["stream_id"]) == (503, "a")
    peer.create(stream_id="b")
    assert len(peer.messages) == 2
    assert peer.session.is_busy
    peer.complete("r1", ticket=1)
    assert not peer.session.is_busy


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=30), st.data())
def test_stream_can_be_cut_anywhere(cuts: list[int], data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(max_size=20), max_size=5))
    wire = b"".join(event("response.output_text.delta", delta=text) for text in texts)
    wire += event("response.completed", response={"id": "r1", "output": []}) + b"data: [DONE]\n\n"
    peer = Peer()
    peer.create(stream_id="ü")
    for size in cuts:
        piece, wire = wire[:size], wire[size:]
        peer.perform(peer.session.feed(1, piece))
    peer.perform(peer.session.feed(1, wire))
    peer.perform(peer.session.end(1))
    assert [each.get("delta") for each in peer.messages[:-1]] == texts
    assert {each["stream_id"] for each in peer.messages} == {"ü"}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["create", "end", "prewarm"]), st.integers(0, 3)), max_size=60
    )
)
def test_lanes_are_first_in_first_out(steps: list[tuple[str, int]]) -> None:
    peer = Peer()
    expected: dict[str, list[str]] = defaultdict(list)
    in_flight = 0
    for number, (step, lane) in enumerate(steps):
        name = f"lane{lane}"
        if step == "end":
            running = list(peer.session._running)
            if running:
                peer.complete(f"r{number}", ticket=running[lane % len(running)])
                in_flight = len(peer.session._running) + peer.session._waiting
        elif in_flight < 16:
            peer.create(stream_id=name, input=str(number), generate=step == "create")
            expected[name].append(str(number))
            in_flight = len(peer.session._running) + peer.session._waiting
    while peer.session.is_busy:
        peer.complete("r", ticket=next(iter(peer.session._running)))
    served = [json.loads(each.body)["input"] for each in peer.requests]
    assert sorted(served) == sorted(each for lane in expected.values() for each in lane)
    for numbers in expected.values():
        assert [each for each in served if each in numbers] == numbers
    assert not peer.session._waiting_bytes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_message_is_a_fault(data: bytes) -> None:
    peer = Peer()
    peer.perform(peer.session.receive(data))
    nested = b'{"type":"response.create","input":' + b"[" * 5000
    peer.perform(peer.session.receive(nested + data))
    assert peer.messages


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
items = (
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["function_call_output", "reasoning", 1]),
            "call_id": json_values,
            "encrypted_content": json_values,
        },
    )
    | json_values
)


@settings(max_examples=200, deadline=None)
@given(st.lists(items, max_size=3) | json_values, st.lists(items, max_size=3) | json_values)
def test_no_item_is_a_fault(output: Any, given_input: Any) -> None:
    peer = Peer()
    peer.create()
    response = {"id": "r1", "output": output}
    peer.perform(peer.session.feed(1, event("response.output_item.done", item=output)))
    peer.perform(peer.session.feed(1, event("response.completed", response=response)))
    peer.perform(peer.session.end(1))
    peer.create(input=given_input, previous_response_id="r1")
    peer.create(input=given_input, generate=False)
