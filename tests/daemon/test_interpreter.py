"""Settings of the interpreter: full collections wait for large requests, but not for ever."""

from __future__ import annotations

import gc
import sys

import pytest
from twisted.internet.task import Clock

from antigravity.daemon import interpreter
from antigravity.daemon.interpreter import (
    ARENAS,
    CHECKS_UNTIL_DUE,
    DUE,
    INTERVAL,
    LARGE_BLOCK,
    OVERDUE,
    SWITCH_INTERVAL,
    Interpreter,
    return_memory,
    trim_memory,
)


class Collector:
    """Stands for the module ``gc``."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.grown = 0

    def get_count(self) -> tuple[int, int, int]:
        return 0, 0, self.grown

    def get_threshold(self) -> tuple[int, int, int]:
        return 700, 10, 10

    def set_threshold(self, *numbers: int) -> None:
        self.happened.append(numbers)

    def __getattr__(self, name: str) -> object:
        return lambda: self.happened.append(name)


class Libc:
    """Stands for the C library of Linux."""

    def __init__(self) -> None:
        self.options: dict[int, int] = {}
        self.trimmed = 0

    def mallopt(self, name: int, value: int) -> int:
        self.options[name] = value
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.trimmed += 1
        return 1


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    collector = Collector()
    monkeypatch.setattr(interpreter, "gc", collector)
    monkeypatch.setattr(interpreter, "_collects_at_once", lambda: True)
    monkeypatch.setattr(interpreter, "c_library", Libc)
    return collector


def test_full_collection_happens_when_due_and_no_large_request_is_translated(
    collector: Collector,
) -> None:
    clock, busy = Clock(), [True]
    service = Interpreter(clock, lambda: busy[0])
    service.startService()
    collector.happened.clear()
    for grown, is_busy, collected in (
        (DUE - 1, False, 0),
        (DUE, True, 0),
        (DUE, False, 1),
        (OVERDUE, True, 1),
    ):
        collector.grown, busy[0] = grown, is_busy
        clock.advance(INTERVAL)
        assert collector.happened == ["collect"] * collected
        collector.happened.clear()
    service.stopService()


def test_settings_are_given_back(collector: Collector) -> None:
    before = sys.getswitchinterval()
    clock = Clock()
    service = Interpreter(clock, lambda: False)
    service.startService()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert collector.happened[:2] == ["collect", "freeze"]
    assert collector.happened[2][2] > 10**6  # type: ignore[index]
    service.stopService()
    assert sys.getswitchinterval() == pytest.approx(before)
    assert collector.happened[3:] == [(700, 10, 10), "unfreeze"]
    assert not clock.getDelayedCalls()


def test_collections_of_newer_pythons_are_left_alone(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "_collects_at_once", lambda: False)
    clock = Clock()
    service = Interpreter(clock, lambda: False)
    service.startService()
    assert not clock.getDelayedCalls()
    assert collector.happened == ["collect", "freeze"]
    service.stopService()


def test_values_of_requests_are_not_looked_at_by_collections() -> None:
    from antigravity.ir.parts import Text, ToolCall
    from antigravity.ir.request import Message

    message = Message("user", (Text("x"), ToolCall("id", "name", "{}")))
    assert not gc.is_tracked(message)
    assert not any(map(gc.is_tracked, message.parts))


def test_full_collection_happens_now_and_then_and_free_memory_is_given_back(
    collector: Collector,
) -> None:
    clock = Clock()
    service = Interpreter(clock, lambda: False)
    service.startService()
    collector.happened.clear()
    clock.pump([INTERVAL] * (2 * CHECKS_UNTIL_DUE))
    assert collector.happened == ["collect", "collect"]
    assert service._libc.trimmed == 2
    service.stopService()


def test_large_blocks_are_given_back_where_the_c_library_can() -> None:
    libc = Libc()
    return_memory(libc)
    assert libc.options == {-1: LARGE_BLOCK, -3: LARGE_BLOCK, -8: ARENAS}
    for other in (object(), None):  # they have no such functions
        return_memory(other)
        trim_memory(other)
