"""The Responses API over WebSocket to upstreams: what their messages mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.interfaces.sockets import UpstreamMessage
from antigravity.ir.socket_turn import SocketTurn
from antigravity.protocols.openai_responses.socket.error_message import read_error
from antigravity.protocols.openai_responses.socket.upstream_session import UpstreamSession

BODY = b'{"model":"m","input":"hi","stream":true}'


class Nobody:
    id = "c"

    def when_lost(self, call: Any) -> None:
        """Never lose it."""


def turn(lane: str | None = None, previous_id: str | None = None) -> SocketTurn:
    return SocketTurn(Nobody(), lane, previous_id=previous_id)


class Upstream:
    """A session, and its messages."""

    def __init__(self) -> None:
        self.session = UpstreamSession()

    def open(self, lane: str | None = None, previous_id: str | None = None) -> int:
        ticket, _ = self.session.open(
            turn(lane, previous_id), BODY, with_lane=True, continues=previous_id is not None
        )
        return ticket

    def send(self, kind: str, **members: Any) -> list[UpstreamMessage]:
        return list(self.session.receive(json.dumps({"type": kind, **members}).encode()))

    def complete(self, name: str, **members: Any) -> list[UpstreamMessage]:
        return self.send("response.completed", response={"id": name}, **members)


def test_last_response_of_each_lane_can_be_continued() -> None:
    upstream = Upstream()
    for lane, name in (("a", "r1"), (None, "r2"), ("b", "r3")):
        upstream.open(lane)
        more = {} if lane is None else {"stream_id": lane}
        (last,) = upstream.complete(name, **more)
        assert last.is_last
    assert all(upstream.session.can_continue(turn(None, f"r{n}")) for n in (1, 2, 3))
    upstream.open("a")
    upstream.complete("r4", stream_id="a")
    assert not upstream.session.can_continue(turn("a", "r1"))
    assert upstream.session.can_continue(turn("zzz", "r4"))
    assert not upstream.session.can_continue(turn())


@pytest.mark.parametrize("kind", ["response.failed", "response.cancelled", "error"])
def test_failed_continuation_is_forgotten(kind: str) -> None:
    upstream = Upstream()
    upstream.open()
    upstream.complete("r1")
    upstream.open(previous_id="r1")
    upstream.send("response.created", response={"id": "r2"})
    (last,) = upstream.send(kind, response={"id": "r2"})
    assert last.is_last
    assert not upstream.session.can_continue(turn(None, "r1"))
    assert not upstream.session.can_continue(turn(None, "r2"))


def test_incomplete_response_can_be_continued() -> None:
    upstream = Upstream()
    upstream.open()
    upstream.send("response.incomplete", response={"id": "r1"})
    assert upstream.session.can_continue(turn(None, "r1"))


def test_remembered_lanes_are_bounded() -> None:
    upstream = Upstream()
    for number in range(100):
        upstream.open(f"l{number}")
        upstream.complete(f"r{number}", stream_id=f"l{number}")
    assert not upstream.session.can_continue(turn(None, "r0"))
    assert upstream.session.can_continue(turn(None, "r99"))
    assert len(upstream.session._last) == 33


def test_abandoned_request_is_silent_and_continues_nothing() -> None:
    upstream = Upstream()
    ticket = upstream.open()
    upstream.session.abandon(ticket)
    assert upstream.send("response.created") == []
    assert upstream.session.in_flight == 1
    assert upstream.complete("r1") == []
    assert upstream.session.in_flight == 0
    assert not upstream.session.can_continue(turn(None, "r1"))


def test_what_comes_before_a_response_is_bounded() -> None:
    upstream = Upstream()
    upstream.open()
    for _ in range(100):
        assert upstream.send("codex.rate_limits", text="x" * 10_000) == []
    (first,) = upstream.send("response.created")
    assert len(first.data) < 70_000


def test_prewarm_may_be_answered_by_its_end_alone() -> None:
    upstream = Upstream()
    upstream.open()
    (only,) = upstream.complete("r1")
    assert only.data.startswith(b"event: response.completed\ndata: {")
    assert (only.is_last, only.status) == (True, 0)


@pytest.mark.parametrize("what", ["failed", "pending"])
def test_steered_request_ends_when_its_input_is_settled(what: str) -> None:
    upstream = Upstream()
    ticket = upstream.open()
    upstream.send("response.created", response={"id": "r1"})
    assert upstream.session.steer(ticket, b"{}") == b"{}"
    upstream.send("response.steer.accepted")
    (first,) = upstream.complete("r1")
    assert not first.is_last
    (end,) = upstream.send(f"response.steer.{what}")
    assert end.is_last
    assert upstream.session.can_continue(turn(None, "r1"))


def test_steered_request_ends_with_its_successor() -> None:
    upstream = Upstream()
    ticket = upstream.open("a")
    upstream.send("response.created", response={"id": "r1"}, stream_id="a")
    upstream.session.steer(ticket, b"{}")
    upstream.session.steer(ticket, b"{}")
    (first,) = upstream.send("response.incomplete", response={"id": "r1"}, stream_id="a")
    assert not first.is_last
    upstream.send("response.created", response={"id": "r2"}, stream_id="a")
    (last,) = upstream.complete("r2", stream_id="a")
    assert last.is_last
    assert upstream.session.in_flight == 0
    assert upstream.session.can_continue(turn(None, "r2"))


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [
        ({"status": 429, "error": {"message": "m", "x": 1}}, 429, {"message": "m", "x": 1}),
        ({"status_code": 503, "error": {"message": "m"}}, 503, {"message": "m"}),
        ({"code": "slow_down", "message": "m"}, 503, {"code": "slow_down", "message": "m"}),
        (
            {"status": 400, "code": "c", "message": "m", "param": None, "sequence_number": 1},
            400,
            {"code": "c", "message": "m", "param": None},
        ),
        ({"error": "text"}, 500, {"message": "text"}),
        (
            {"status": True, "error": {"type": "rate_limit_error", "message": "m"}},
            429,
            {"type": "rate_limit_error", "message": "m"},
        ),
        ({"status": 200}, 500, {"message": "The request failed without details."}),
    ],
)
def test_errors_have_many_forms(event: Any, status: int, error: Any) -> None:
    found = read_error(json.dumps({"type": "error", **event}).encode())
    assert (found.status, found.error) == (status, error)


def test_headers_of_errors_are_bounded() -> None:
    headers = {f"x-{n}": "v" for n in range(1000)} | {"y": "a\r\nb", "z": [], "w": "x" * 9999}
    found = read_error(json.dumps({"error": {"message": "m"}, "headers": headers}).encode())
    assert len(found.headers) == 64
    assert all(name.startswith("x-") for name, _ in found.headers)
    bad = read_error(b'{"error":{"message":"m"},"headers":{"a b":"v","c:":"v","":"v","d":"v"}}')
    assert bad.headers == (("d", "v"),)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100), st.sampled_from([b"", b'{"type":"error","error":', b'{"type":']))
def test_no_message_is_a_fault(data: bytes, before: bytes) -> None:
    upstream = Upstream()
    upstream.open("a")
    upstream.session.receive(before + data)
    upstream.session.receive(before + data + b"}")
