"""The Responses API over WebSocket: what is remembered and continued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.errors import OverloadedError
from antigravity.protocols.openai_responses.socket import running_request
from antigravity.protocols.openai_responses.socket.session import LARGE
from tests.protocols.openai_responses.socket.builders import (
    NOT_FOUND,
    Peer,
    call,
    event,
    output,
    user,
)


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


def test_endless_output_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_request, "MAX_OUTPUT", 1000)
    peer = Peer()
    peer.create()
    ticket = peer.requests[-1].ticket
    done = event("response.output_item.done", item={"type": "message", "id": "x" * 300})
    for _ in range(9):
        peer.perform(peer.session.feed(ticket, done))
    assert sum(len(bytes(each)) for each in peer.session._running[ticket]._items) < 1000
    peer.complete("r1")
    assert peer.messages[-1]["type"] == "response.completed"
    assert not peer.store


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
