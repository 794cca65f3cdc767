"""The Responses API over WebSocket: input for responses that are running."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.protocols.openai_responses.socket.running_request import MAX_STEERS
from tests.protocols.openai_responses.socket.builders import (
    NOT_FOUND,
    Peer,
    call,
    event,
    output,
    user,
)


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

    def __init__(self, max_waiting_bytes: int = 0, **members: Any) -> None:
        self.peer = Peer(max_waiting_bytes)
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


def test_input_that_the_upstream_does_not_settle_is_limited() -> None:
    steered = Steered(stream_id="a")
    for number in range(MAX_STEERS + 3):
        steered.steer(str(number))
    assert len(steered.sent) == MAX_STEERS
    assert steered.peer.error["code"] == "too_many_pending_steers"
    assert steered.peer.messages[-1]["stream_id"] == "a"
    steered.feed("response.steer.failed", stream_id="a")
    steered.steer("again")
    assert len(steered.sent) == MAX_STEERS + 1


def test_bytes_of_input_for_a_request_are_limited() -> None:
    steered = Steered(max_waiting_bytes=1000)
    for _ in range(3):
        steered.steer("x" * 300)
        steered.feed("response.steer.failed")
    steered.steer("x" * 300)
    assert len(steered.sent) == 3
    assert steered.peer.error["code"] == "too_many_pending_steers"
