"""The Responses API over WebSocket: what messages do, and what is remembered."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.interfaces.sockets import (
    Action,
    Computation,
    SessionContext,
    SessionRequest,
    Steer,
)
from antigravity.ir.errors import GatewayError, OverloadedError, UnavailableError
from antigravity.protocols.openai_responses.socket.session import LARGE, ResponsesSession

NOT_FOUND = "previous_response_not_found"


class Store(dict[str, bytes]):
    """A store that forgets nothing."""

    def put(self, key: str, value: bytes) -> bool:
        self[key] = value
        return True

    def delete(self, key: str) -> bool:
        return self.pop(key, None) is not None


class Peer:
    """A session, and what it wants."""

    def __init__(self, max_waiting_bytes: int = 0) -> None:
        ids = itertools.count(1)
        self.store = Store()
        self.session = ResponsesSession(
            SessionContext(
                "c",
                self.store,
                lambda prefix: f"{prefix}{next(ids)}",
                lambda: 1e9,
                max_waiting_bytes,
            )
        )
        self.requests: list[SessionRequest] = []
        self.messages: list[Any] = []
        self.computations: list[Computation] = []

    def compute(self) -> None:
        """Compute what must be computed first."""
        computation = self.computations.pop(0)
        try:
            result = computation.function()
        except GatewayError as error:
            self.perform(computation.failed(error))
        else:
            self.perform(computation.then(result))

    def perform(self, actions: Any) -> None:
        each: Action
        for each in actions:
            if isinstance(each, SessionRequest):
                self.requests.append(each)
            elif isinstance(each, Steer):
                assert each.steering.send is not None
                each.steering.send(each.text)
            elif isinstance(each, Computation):
                self.computations.append(each)
            else:
                self.messages.append(json.loads(each))

    def send(self, kind: str, **members: Any) -> None:
        self.perform(self.session.receive(json.dumps({"type": kind, **members}).encode()))

    def create(self, **members: Any) -> None:
        self.send("response.create", model="m", **{"input": "hi", "store": False, **members})

    def complete(self, response_id: str, *output: Any, ticket: int | None = None) -> None:
        """Let the last request, or that with a ticket, end well."""
        number = self.requests[-1].ticket if ticket is None else ticket
        response = {"id": response_id, "output": output, "previous_response_id": None}
        self.perform(self.session.feed(number, event("response.completed", response=response)))
        self.perform(self.session.end(number))

    def fail(self, status: int = 500, code: str | None = None) -> None:
        """Let the last request fail before it begins."""
        body = json.dumps({"error": {"message": "No.", "code": code}}).encode()
        self.perform(self.session.reply(self.requests[-1].ticket, status, (), body))

    @property
    def body(self) -> Any:
        """The body of the last request."""
        return json.loads(self.requests[-1].body)

    @property
    def error(self) -> Any:
        """The error in the last message."""
        assert self.messages[-1]["type"] in ("error", "response.steer.failed")
        return self.messages[-1]["error"]


def event(kind: str, **members: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **members})}\n\n".encode()


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "f"}


def output(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "1"}


def test_members_of_websocket_do_not_reach_the_body() -> None:
    peer = Peer()
    peer.create(
        stream_id="a", generate=True, stream=False, stream_options={"x": 1}, background=False, x=1
    )
    assert peer.body == {"model": "m", "input": "hi", "store": False, "x": 1, "stream": True}


def test_conversation_is_continued_without_store() -> None:
    peer = Peer()
    peer.create(input="one")
    peer.complete("r1", call("c1"))
    peer.create(input=[output("c1")], previous_response_id="r1")
    assert peer.body["input"] == [user("one"), call("c1"), output("c1")]
    assert "previous_response_id" not in peer.body
    peer.complete("r2", {"type": "message", "id": "m"})
    assert peer.messages[-1]["response"]["previous_response_id"] == "r1"
    peer.create(input="three", previous_response_id="r2")
    items = [user("one"), call("c1"), output("c1"), {"type": "message", "id": "m"}, user("three")]
    assert peer.body["input"] == items


def test_only_last_response_of_a_lane_is_remembered() -> None:
    peer = Peer()
    for number in (1, 2):
        peer.create(stream_id="a")
        peer.complete(f"r{number}")
    peer.create(stream_id="b")
    peer.complete("r3")
    assert len(peer.store) == 2
    peer.create(stream_id="b", previous_response_id="r1")
    assert peer.error["code"] == NOT_FOUND
    peer.create(stream_id="new", previous_response_id="r2")  # a fork
    assert len(peer.requests) == 4


def test_stored_response_is_continued_by_its_id() -> None:
    peer = Peer()
    peer.create(store=True, input="one")
    peer.complete("r1")
    peer.create(store=True, input="two", previous_response_id="r1")
    assert (peer.body["previous_response_id"], peer.body["input"]) == ("r1", "two")
    peer.complete("r2")
    peer.create(input="three", previous_response_id="r2")
    assert peer.body["previous_response_id"] == "r2"


def test_stored_response_that_is_not_found_is_continued_from_memory() -> None:
    peer = Peer()
    peer.create(store=True, input="one")
    peer.complete("r1")
    peer.create(store=True, input="two", previous_response_id="r1")
    before = peer.requests[-1]
    peer.fail(404, NOT_FOUND)
    assert peer.requests[-1].ticket == before.ticket
    assert peer.body["input"] == [user("one"), user("two")]
    assert not [each for each in peer.messages if each["type"] == "error"]
    peer.fail(404, NOT_FOUND)
    assert peer.error["code"] == NOT_FOUND


def test_response_stored_before_the_connection_stays_a_reference() -> None:
    peer = Peer()
    peer.create(store=True, input="two", previous_response_id="old")
    assert peer.body["previous_response_id"] == "old"
    peer.complete("r2")
    peer.create(store=True, input="three", previous_response_id="r2")
    peer.fail(400, NOT_FOUND)
    assert peer.body["previous_response_id"] == "old"
    assert peer.body["input"] == [user("two"), user("three")]


def test_unknown_response_without_store_is_not_found() -> None:
    peer = Peer()
    peer.create(previous_response_id="r9", stream_id="a")
    assert not peer.requests
    assert peer.error["code"] == NOT_FOUND
    assert peer.error["param"] == "previous_response_id"
    assert peer.messages[-1]["status"] == 404
    assert peer.messages[-1]["stream_id"] == "a"


@pytest.mark.parametrize("how", ["error", "failed", "early", "unknown call"])
def test_failed_continuation_forgets_what_it_continued(how: str) -> None:
    peer = Peer()
    peer.create()
    peer.complete("r1", call("c1"))
    sent = [output("c2")] if how == "unknown call" else "two"
    peer.create(previous_response_id="r1", input=sent)
    ticket = peer.requests[-1].ticket
    if how == "error":
        peer.fail()
    elif how == "failed":
        peer.perform(peer.session.feed(ticket, event("response.failed", response={})))
        peer.perform(peer.session.end(ticket))
    elif how == "early":
        peer.perform(peer.session.end(ticket))
        assert peer.messages[-1]["status"] == 502
    else:
        assert peer.messages[-1]["status"] == 400
        assert "c2" in peer.error["message"]
    peer.create(previous_response_id="r1")
    assert peer.error["code"] == NOT_FOUND


def test_output_can_follow_a_call_of_its_own_request() -> None:
    peer = Peer()
    peer.create()
    peer.complete("r1")
    peer.create(input=[call("c5"), output("c5")], previous_response_id="r1")
    assert len(peer.requests) == 2


@pytest.mark.parametrize(
    "switch", [{"generate": False}, {"prompt_cache_options": {"prewarm": True}}]
)
def test_request_without_output_is_served_like_others(switch: dict[str, Any]) -> None:
    peer = Peer()
    peer.create(input="one", stream_id="a", **switch)
    (request,) = peer.requests
    assert (request.generates, request.lane) == (False, "a")
    assert "generate" not in peer.body
    peer.complete("r1")
    peer.create(input=[], previous_response_id="r1")
    assert peer.requests[-1].generates
    assert peer.body["input"] == [user("one")]


def test_stream_in_one_piece_is_a_reply() -> None:
    peer = Peer()
    peer.create(input="one", generate=False, stream_id="a")
    response = {"id": "r1", "output": [], "previous_response_id": None}
    stream = event("response.created", response=response)
    stream += event("response.completed", response=response)
    peer.perform(peer.session.reply(1, 200, (), stream))
    assert [each["type"] for each in peer.messages] == ["response.created", "response.completed"]
    assert {each["stream_id"] for each in peer.messages} == {"a"}
    assert not peer.session.is_busy
    peer.create(input=[], previous_response_id="r1")
    assert peer.body["input"] == [user("one")]


def test_any_request_of_a_conversation_can_be_without_output() -> None:
    peer = Peer()
    peer.create(input="one", store=True)
    peer.complete("r1")
    peer.create(input="two", store=True, previous_response_id="r1", generate=False)
    peer.complete("r2")
    assert peer.messages[-1]["response"]["previous_response_id"] == "r1"
    peer.create(input="three", store=True, previous_response_id="r2")
    assert peer.body["input"] == [user("one"), user("two"), user("three")]
    assert "previous_response_id" not in peer.body


def test_request_names_what_it_continues() -> None:
    peer = Peer()
    peer.create(input="one", stream_id="a")
    assert peer.requests[-1].continuation == b""
    peer.complete("r1")
    peer.create(input="two", stream_id="b", previous_response_id="r1")
    request = peer.requests[-1]
    assert (request.lane, request.previous_id) == ("b", "r1")
    continuation = json.loads(request.continuation)
    assert (continuation["input"], continuation["previous_response_id"]) == ("two", "r1")
    assert peer.body["input"] == [user("one"), user("two")]


LONG = "x" * (LARGE + 1)


def test_large_message_is_read_elsewhere() -> None:
    peer = Peer()
    peer.create(input=LONG, stream_id="a")
    assert not peer.requests
    (computation,) = peer.computations
    assert computation.size > LARGE
    peer.compute()
    assert peer.body["input"] == LONG
    peer.send("response.create", model="m", generate=1, stream_id="b", input=LONG)
    peer.compute()
    assert (peer.error["param"], peer.messages[-1]["stream_id"]) == ("generate", "b")
    peer.perform(peer.session.receive(b"[" + b"1," * LARGE + b"1]"))
    peer.compute()
    assert peer.error["type"] == "invalid_request_error"


def test_large_conversation_is_remembered_and_continued_elsewhere() -> None:
    peer = Peer()
    peer.create(input=LONG)
    peer.compute()
    peer.create(input="next", store=False, previous_response_id="r1")  # waits for the first
    peer.complete("r1")
    assert peer.session.is_busy
    peer.compute()  # it is remembered
    assert len(peer.requests) == 1
    peer.compute()  # it is continued
    assert peer.body["input"] == [user(LONG), user("next")]
    peer.complete("r2")
    peer.compute()
    assert not peer.session.is_busy
    assert not peer.computations


def test_large_conversation_that_cannot_be_continued_is_forgotten() -> None:
    peer = Peer()
    peer.create(input=LONG)
    peer.compute()
    peer.complete("r1")
    peer.compute()
    peer.create(input=[output("c1")], previous_response_id="r1")
    peer.create(input="after it")
    assert len(peer.requests) == 1
    peer.compute()
    assert peer.error["code"] == "tool_call_not_found"
    assert peer.body["input"] == "after it"
    assert not peer.store


def test_large_conversation_is_forgotten_if_there_is_no_time_for_it() -> None:
    peer = Peer()
    peer.create(input=LONG)
    peer.compute()
    peer.complete("r1")
    peer.perform(peer.computations.pop().failed(OverloadedError("Busy.")))
    assert not peer.session.is_busy
    peer.create(previous_response_id="r1")
    assert peer.error["code"] == NOT_FOUND


def test_output_that_the_last_event_leaves_out_is_remembered() -> None:
    peer = Peer()
    peer.create()
    done = event("response.output_item.done", item=call("c1"))
    peer.perform(peer.session.feed(peer.requests[-1].ticket, done))
    peer.complete("r1")
    peer.create(input=[output("c1")], previous_response_id="r1")
    assert peer.body["input"] == [user("hi"), call("c1"), output("c1")]


def test_reasoning_that_is_only_a_reference_is_not_sent() -> None:
    peer = Peer()
    peer.create()
    reference = {"type": "reasoning", "id": "rs_1", "summary": []}
    peer.complete("r1", reference, call("c1"))
    peer.create(input=[output("c1")], previous_response_id="r1")
    without_id = {name: value for name, value in call("c1").items() if name != "id"}
    assert peer.body["input"] == [user("hi"), without_id, output("c1")]
    sealed = reference | {"encrypted_content": "x"}
    peer.complete("r2", sealed, call("c2"))
    peer.create(input=[output("c2")], previous_response_id="r2")
    assert peer.body["input"][-3:] == [sealed, call("c2"), output("c2")]


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


def test_steering_is_refused_with_its_input() -> None:
    peer = Peer()
    peer.send("response.steer", input="more", previous_response_id="r1", stream_id="a")
    (message,) = peer.messages
    assert message["type"] == "response.steer.failed"
    assert message["error"]["code"] == "steering_not_supported"
    assert message["steer"] == {"input": "more", "previous_response_id": "r1"}
    assert message["stream_id"] == "a"


class Steered:
    """A response that is running at an upstream which takes input for it."""

    def __init__(self, **members: Any) -> None:
        self.peer = Peer()
        self.peer.create(**{"input": "one", **members})
        self.sent: list[Any] = []
        self.peer.requests[0].steering.send = lambda text: self.sent.append(json.loads(text))
        self.feed("response.created", id="r1")

    def feed(self, kind: str, *output: Any, **members: Any) -> None:
        response = {"output": output, "previous_response_id": None, **members}
        found = event(kind, response=response, steer={"id": "s"})
        self.peer.perform(self.peer.session.feed(1, found))

    def steer(self, given: Any, previous_id: str = "r1") -> None:
        self.peer.send("response.steer", input=given, previous_response_id=previous_id)

    def end(self) -> None:
        self.peer.perform(self.peer.session.end(1))

    def history(self, previous_id: str) -> Any:
        self.peer.create(input="last", previous_response_id=previous_id)
        return self.peer.body["input"]

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.peer.messages]


def answer(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_steered_response_goes_on_as_another_one(kind: str) -> None:
    steered = Steered()
    steered.steer("two")
    steered.steer([user("three")])
    assert [each["input"] for each in steered.sent] == ["two", [user("three")]]
    assert {each["type"] for each in steered.sent} == {"response.steer"}
    steered.feed("response.steer.accepted")
    steered.feed(kind, answer("A"), id="r1")
    assert steered.peer.session.is_busy
    steered.feed("response.created", id="r2")
    steered.steer("late")  # for the first one
    assert steered.peer.error["code"] == "steering_not_supported"
    steered.steer("four", "r2")
    steered.feed("response.completed", answer("B"), id="r2")
    steered.feed("response.created", id="r3")
    steered.feed("response.completed", answer("C"), id="r3")
    steered.end()
    assert not steered.peer.session.is_busy
    told = [user("one"), answer("A"), user("two"), user("three"), answer("B"), user("four")]
    assert steered.history("r3") == [*told, answer("C"), user("last")]


def test_input_that_waits_for_outputs_is_remembered() -> None:
    steered = Steered()
    steered.steer("two")
    steered.feed("response.completed", call("c1"), id="r1")
    steered.feed("response.steer.pending")
    steered.end()
    steered.peer.create(input=[output("c1")], previous_response_id="r1")
    expected = [user("one"), call("c1"), user("two"), output("c1")]
    assert steered.peer.body["input"] == expected


def test_refused_input_is_not_remembered() -> None:
    steered = Steered()
    steered.steer("two")
    steered.steer("three")
    steered.feed("response.steer.failed")
    steered.feed("response.completed", answer("A"), id="r1")
    steered.feed("response.steer.failed")
    steered.feed("response.created", id="r9")  # after its end
    steered.end()
    assert steered.kinds().count("response.steer.failed") == 2
    assert "r9" not in json.dumps(steered.peer.messages)
    assert steered.history("r1") == [user("one"), answer("A"), user("last")]


def test_input_is_returned_if_the_upstream_ends_without_it() -> None:
    steered = Steered()
    steered.steer("two")
    steered.feed("response.completed", answer("A"), id="r1")
    steered.end()
    assert steered.kinds()[-1] == "response.steer.failed"
    assert steered.peer.error["code"] == "successor_creation_failed"
    assert steered.peer.messages[-1]["steer"]["input"] == "two"
    assert steered.history("r1") == [user("one"), answer("A"), user("last")]


def test_response_that_breaks_off_returns_its_input() -> None:
    steered = Steered()
    steered.steer("two")
    steered.end()
    assert steered.kinds()[-2:] == ["response.steer.failed", "error"]
    steered.peer.create(previous_response_id="r1")
    assert steered.peer.error["code"] == NOT_FOUND


def test_successor_that_fails_leaves_nothing_to_continue() -> None:
    steered = Steered()
    steered.steer("two")
    steered.feed("response.completed", answer("A"), id="r1")
    steered.feed("response.created", id="r2")
    steered.feed("response.failed", id="r2")
    steered.end()
    assert steered.kinds()[-1] == "response.failed"
    for name in ("r1", "r2"):
        steered.peer.create(previous_response_id=name)
        assert steered.peer.error["code"] == NOT_FOUND


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
