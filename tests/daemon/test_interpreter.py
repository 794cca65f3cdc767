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
    YOUNG,
    Interpreter,
    collection_paused,
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
        return lambda: self.happened.append(name) or True


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


class Load:
    """A gateway that does what a test says."""

    def __init__(self, *, requests: int = 0, is_translating: bool = False) -> None:
        self.requests = requests
        self.is_translating = is_translating
        self.configuration: object = "the first"


def started(clock: Clock, load: Load, collector: Collector) -> Interpreter:
    """Return a running service, which has excluded the objects of the first configuration."""
    service = Interpreter(clock, load)
    service.startService()
    requests, load.requests = load.requests, 0
    clock.advance(INTERVAL)
    load.requests = requests
    collector.happened.clear()
    return service


@pytest.mark.parametrize(
    ("grown", "requests", "is_translating", "is_due"),
    [
        (0, 0, False, False),
        (1, 0, False, True),
        (DUE - 1, 1, False, False),
        (DUE, 1, False, True),
        (DUE, 1, True, False),
        (OVERDUE - 1, 1, True, False),
        (OVERDUE, 1, True, True),
    ],
)
def test_full_collection_waits_for_requests_but_not_for_ever(
    collector: Collector, grown: int, requests: int, is_translating: bool, is_due: bool
) -> None:
    clock, load = Clock(), Load(requests=requests, is_translating=is_translating)
    service = started(clock, load, collector)
    collector.grown = grown
    clock.advance(INTERVAL)
    assert collector.happened == ["collect"] * is_due
    service.stopService()


def test_settings_are_given_back(collector: Collector) -> None:
    before = sys.getswitchinterval()
    clock = Clock()
    service = Interpreter(clock, Load())
    service.startService()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert collector.happened[0] == "freeze"
    young, _, full = collector.happened[1]  # type: ignore[misc]
    assert (young, full > 10**6) == (YOUNG, True)
    service.stopService()
    assert sys.getswitchinterval() == pytest.approx(before)
    assert collector.happened[2:] == [(700, 10, 10), "unfreeze"]
    assert not clock.getDelayedCalls()


def test_collections_of_newer_pythons_are_left_alone(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "_collects_at_once", lambda: False)
    clock = Clock()
    service = started(clock, Load(), collector)
    collector.grown = OVERDUE
    clock.pump([INTERVAL] * CHECKS_UNTIL_DUE)
    assert collector.happened == []
    service.stopService()


def test_objects_of_a_new_configuration_are_excluded_while_no_request_runs(
    collector: Collector,
) -> None:
    clock, load = Clock(), Load()
    service = Interpreter(clock, load)
    service.startService()
    collector.happened.clear()
    clock.advance(INTERVAL)
    assert collector.happened == ["freeze"]
    load.configuration, load.requests = "the second", 1
    clock.advance(INTERVAL)
    assert collector.happened == ["freeze"]
    load.requests = 0
    clock.advance(INTERVAL)
    assert collector.happened[1:] == ["unfreeze", "collect", "freeze"]
    clock.advance(INTERVAL)
    assert len(collector.happened) == 4
    service.stopService()


def test_objects_of_the_start_are_not_collected_but_excluded(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collection_paused():
        assert collector.happened == ["isenabled", "disable"]
    assert collector.happened[2:] == ["freeze", "enable"]


def test_collection_that_is_switched_off_stays_off(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "isenabled", lambda: False, raising=False)
    with collection_paused():
        pass
    assert collector.happened == ["disable"]


def test_values_of_requests_are_not_looked_at_by_collections() -> None:
    from antigravity.ir.parts import Text, ToolCall
    from antigravity.ir.request import Message

    message = Message("user", (Text("x"), ToolCall("id", "name", "{}")))
    assert not gc.is_tracked(message)
    assert not any(map(gc.is_tracked, message.parts))


def test_idle_gateway_collects_now_and_then_and_gives_free_memory_back(
    collector: Collector,
) -> None:
    clock = Clock()
    service = started(clock, Load(), collector)
    clock.pump([INTERVAL] * (2 * CHECKS_UNTIL_DUE))
    assert collector.happened == ["collect", "collect"]
    assert service._libc.trimmed == 2
    service.stopService()


def test_free_memory_is_given_back_while_requests_run(collector: Collector) -> None:
    clock, load = Clock(), Load(requests=1)
    service = started(clock, load, collector)
    clock.pump([INTERVAL] * (2 * CHECKS_UNTIL_DUE))
    assert collector.happened == []
    assert service._libc.trimmed == 2
    service.stopService()


def test_large_blocks_are_given_back_where_the_c_library_can() -> None:
    libc = Libc()
    return_memory(libc)
    assert libc.options == {-1: LARGE_BLOCK, -3: LARGE_BLOCK, -8: ARENAS}
    for other in (object(), None):  # they have no such functions
        return_memory(other)
        trim_memory(other)
