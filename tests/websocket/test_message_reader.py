"""What a connection receives is handled for a short time in each reactor turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock
from websockets.frames import Opcode

from antigravity.websocket.framer import Framer, Part, PongReceived, Received, Text
from antigravity.websocket.message_reader import TURN_BUDGET, MessageReader
from tests.support.frames import frame


class Wire:
    """A transport that notes whether it is read from."""

    is_reading = True

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = True


class CountingClock(Clock):
    """A clock that counts the turns which are asked for."""

    turns = 0

    def callLater(self, *arguments: Any, **options: Any) -> Any:
        self.turns += 1
        return super().callLater(*arguments, **options)


class Connection:
    """A reader of what a client sends, each piece of which takes as long as a turn may."""

    def __init__(self) -> None:
        self.clock = CountingClock()
        self.wire = Wire()
        self.received: list[Received] = []
        self.faults: list[Any] = []
        self.seconds = 0.0
        self.on_message: Callable[[], None] = lambda: None
        self.reader = MessageReader(
            self.clock, self.wire, Framer(0), self.handle, self.faults.append
        )

    def handle(self, received: Received) -> None:
        self.received.append(received)
        self.clock.rightNow += self.seconds
        self.on_message()


def message(text: bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.TEXT, text, fin=fin)


@pytest.mark.parametrize(
    ("begin", "each", "kind"),
    [
        (b"", frame(Opcode.PONG), PongReceived()),
        (message(b"a", fin=False), frame(Opcode.CONT, fin=False), Part()),
    ],
    ids=["pongs", "fragments"],
)
def test_flood_of_frames_is_handled_over_several_turns(
    begin: bytes, each: bytes, kind: Received
) -> None:
    connection = Connection()
    connection.seconds = TURN_BUDGET * 0.7
    connection.reader.receive(begin + each * 9)
    assert len(connection.received) == 2
    assert not connection.wire.is_reading
    connection.clock.advance(0)
    assert connection.clock.turns >= 4
    assert connection.received.count(kind) == 9 + bool(begin)
    assert connection.wire.is_reading


def test_messages_that_take_no_time_are_handled_at_once() -> None:
    connection = Connection()
    connection.reader.receive(message(b"a") * 100)
    assert connection.received == [Text(b"a")] * 100
    assert not connection.clock.getDelayedCalls()


def test_nothing_is_handled_while_there_is_a_reason_to_pause() -> None:
    connection = Connection()
    reader = connection.reader

    def pause_twice() -> None:
        reader.pause("a")
        reader.pause("b")

    connection.on_message = pause_twice
    reader.receive(message(b"1") + message(b"2"))
    reader.receive(message(b"3"))
    assert connection.received == [Text(b"1")]
    reader.resume("a")
    assert not connection.wire.is_reading
    connection.on_message = lambda: None
    reader.resume("b")
    assert connection.received == [Text(b"1"), Text(b"2"), Text(b"3")]
    assert connection.wire.is_reading


def test_reader_that_is_paused_does_not_go_on_in_the_next_turn() -> None:
    connection = Connection()
    connection.seconds = 1
    connection.reader.receive(message(b"1") * 3)
    connection.reader.pause("a")
    connection.clock.advance(0)
    assert len(connection.received) == 1
    connection.reader.resume_all()
    assert len(connection.received) == 2


def test_stopped_reader_handles_nothing_and_leaves_no_timer() -> None:
    connection = Connection()
    connection.seconds = 1
    connection.reader.receive(message(b"1") * 3)
    connection.reader.stop()
    assert not connection.clock.getDelayedCalls()
    connection.reader.receive(message(b"2"))
    connection.reader.resume_all()
    assert len(connection.received) == 1
    assert not connection.wire.is_reading


def test_fault_in_a_later_turn_is_reported() -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    connection = Connection()
    connection.seconds = 1
    connection.reader.receive(message(b"1") * 2)
    connection.on_message = fail
    connection.clock.advance(0)
    (fault,) = connection.faults
    assert isinstance(fault, RuntimeError)
