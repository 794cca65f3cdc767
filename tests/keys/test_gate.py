"""Limits and budgets never let through more than they say, whatever requests do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from antigravity.interfaces.keys import NewKey
from antigravity.interfaces.spending import RESERVATION_TTL, SpendClaim
from antigravity.interfaces.state import StateError
from antigravity.ir.errors import (
    GatewayError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
)
from antigravity.ir.usage import Usage
from antigravity.keys.gate import KeyAdmission, KeyGate
from antigravity.keys.held_reservations import RENEWAL_INTERVAL
from antigravity.keys.limit_headers import LimitState, duration, limit_headers, without_limits
from antigravity.keys.ring import KeyRing
from antigravity.keys.spending import MemorySpending
from antigravity.state.memory import MemoryState
from tests.keys.builders import FileEditor, run

START = 1_796_040_000.0  # Monday, 2026-11-30, 12:00 UTC


class Scene:
    """A gate with one key, on a clock."""

    def __init__(self, home: Path, **rules: Any) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        editor = FileEditor(home, self.clock.seconds)
        editor.add(msgspec.convert({"label": "a", "time_zone": "UTC", **rules}, NewKey))
        self.ring = KeyRing(self.clock.seconds)
        self.ring.use(editor.load())
        self.state: Any = MemoryState(self.clock)
        self.spending: Any = MemorySpending(self.clock.seconds)
        self.gate = KeyGate(self.ring, self.state, self.spending, self.clock.seconds, self.clock)
        self.key = next(iter(self.ring.by_id.values()))

    def admit(self, tokens: int = 1) -> KeyAdmission:
        admission = self.gate.admission(self.key)
        run(admission.claim(tokens))
        return admission


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def ended(usage: Usage | None = None, *, first_byte: float | None = None) -> Any:
    return SimpleNamespace(usage=usage, first_byte=first_byte)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.lists(st.floats(0.0, 40.0), min_size=1, max_size=60))
def test_no_minute_has_more_requests_than_the_limit(limit: int, pauses: list[float]) -> None:
    with tempfile.TemporaryDirectory() as home:
        scene = Scene(Path(home), requests_per_minute=limit)
        granted: list[float] = []
        for pause in pauses:
            scene.clock.advance(pause)
            now = scene.clock.seconds()
            try:
                scene.admit()
            except RateLimitedError:
                recent = [each for each in granted if now - each <= 65]
                assert len(recent) >= limit
            else:
                granted.append(now)
            assert len([each for each in granted if now - each < 60]) <= limit


def test_refused_request_may_be_sent_again_after_its_delay(home: Path) -> None:
    scene = Scene(home, requests_per_minute=1)
    scene.admit()
    with pytest.raises(RateLimitedError) as raised:
        scene.admit()
    delay = raised.value.retry_after
    assert delay is not None
    assert 0 < delay <= 65
    scene.clock.advance(delay)
    scene.admit()


def test_tokens_are_settled_and_released(home: Path) -> None:
    scene = Scene(home, tokens_per_minute=100)
    scene.admit(90).settle(ended(Usage(input_total=10, output=5)))
    failed = scene.admit(85)
    failed.settle(ended())
    stopped = scene.admit(85)
    stopped.settle(ended(first_byte=0.1))  # what it used is not known: the estimate stays
    with pytest.raises(RateLimitedError, match="100 tokens per minute"):
        scene.admit(1)
    with pytest.raises(RateLimitedError, match="Shorten"):
        scene.admit(101)


def test_request_that_is_larger_than_its_limit_is_refused_for_good(home: Path) -> None:
    scene = Scene(home, tokens_per_minute=100)
    too_large, large = scene.gate.admission(scene.key), scene.gate.admission(scene.key)
    with pytest.raises(RateLimitedError, match="Shorten"):
        run(too_large.claim(101))
    assert too_large.is_final
    scene.admit(90)
    with pytest.raises(RateLimitedError):
        run(large.claim(90))
    assert not large.is_final


def test_reservation_that_cannot_grow_is_settled(home: Path) -> None:
    scene = Scene(home, budgets=["$1/day"])
    admission = scene.admit()
    run(admission.reserve(600_000_000))
    with pytest.raises(QuotaExhaustedError):
        run(admission.reserve(2_000_000_000))
    admission.settle(ended())
    run(scene.admit().reserve(1_000_000_000))


def test_slots_of_long_requests_stay_taken(home: Path) -> None:
    scene = Scene(home, parallel_requests=1)
    running = scene.admit()
    for _ in range(24 * 60 * 3):
        scene.clock.advance(20)
    with pytest.raises(RateLimitedError, match="1 requests running"):
        scene.admit()
    running.settle(ended())
    scene.admit()


def test_slot_of_killed_process_is_free_a_minute_later(home: Path) -> None:
    scene = Scene(home, parallel_requests=1)
    scene.admit()
    scene.gate.stop()
    scene.clock.advance(59)
    with pytest.raises(RateLimitedError):
        scene.admit()
    scene.clock.advance(2)
    scene.admit()
    scene.gate.stop()
    assert scene.clock.getDelayedCalls() == []


def test_reservations_of_long_requests_stay(home: Path) -> None:
    scene = Scene(home, budgets=["$1/day"])
    running, short = scene.admit(), scene.admit()
    run(running.reserve(600_000_000))
    run(short.reserve(100_000_000))
    calls: list[list[str]] = []
    renew = scene.spending.renew
    scene.spending.renew = lambda names: (calls.append(names), renew(names))[1]
    scene.clock.pump([RENEWAL_INTERVAL] * 12)
    short.cost = lambda record: 50_000_000
    short.settle(ended())
    scene.clock.pump([RENEWAL_INTERVAL] * 12)
    assert [len(each) for each in calls] == [2] * 12 + [1] * 12
    with pytest.raises(QuotaExhaustedError):
        run(scene.admit().reserve(400_000_000))
    running.cost = lambda record: 1
    running.settle(ended())
    run(scene.admit().reserve(900_000_000))
    scene.gate.stop()
    assert scene.clock.getDelayedCalls() == []


def test_slots_are_released_once(home: Path) -> None:
    scene = Scene(home, parallel_requests=2)
    first, _ = scene.admit(), scene.admit()
    with pytest.raises(RateLimitedError, match="2 requests running"):
        scene.admit()
    first.settle(ended())
    first.settle(ended())
    third = scene.admit()
    with pytest.raises(RateLimitedError):
        scene.admit()
    third.settle(ended())
    scene.admit()


AMOUNTS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 400), st.booleans()), min_size=1, max_size=50
)


@settings(deadline=None)
@given(st.integers(1, 1000), AMOUNTS)
def test_budget_is_never_exceeded(micro: int, amounts: list[tuple[int, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        scene = Scene(Path(home), budgets=[f"0.{micro:06}/total"])
        limit = micro * 1000
        running: list[tuple[KeyAdmission, int]] = []
        spent = 0
        for reserved, used, ends in amounts:
            admission = scene.admit()
            try:
                run(admission.reserve(reserved * 1000))
            except QuotaExhaustedError:
                held = sum(amount for _, amount in running)
                assert spent + held + reserved * 1000 > limit
                assert admission.is_final
                admission.settle(ended())
            else:
                running.append((admission, reserved * 1000))
            if ends and running:
                admission, amount = running.pop(0)
                cost = min(amount, used * 1000)
                admission.cost = lambda record, cost=cost: cost
                admission.settle(ended())
                admission.settle(ended())  # it changes nothing
                spent += cost
            assert spent + sum(amount for _, amount in running) <= limit
        state = run(scene.gate.usage(scene.key.id))["budgets"][0]
        assert round(state["spent"] * 1e9) == spent
        assert round(state["reserved"] * 1e9) == sum(amount for _, amount in running)


def test_budget_of_a_day_is_full_again_at_midnight(home: Path) -> None:
    scene = Scene(home, budgets=["0.001/day"])
    admission = scene.admit()
    run(admission.reserve(1_000_000))
    with pytest.raises(QuotaExhaustedError, match="2026-12-01T00:00:00") as raised:
        run(scene.admit().reserve(1))
    assert raised.value.retry_after == 12 * 3600
    scene.clock.advance(12 * 3600)
    run(scene.admit().reserve(1_000_000))
    admission.cost = lambda record: 1_000_000
    admission.settle(ended())  # it belongs to yesterday
    assert run(scene.gate.usage(scene.key.id))["budgets"][0]["spent"] == 0


def test_larger_reservation_replaces_a_smaller_one(home: Path) -> None:
    scene = Scene(home, budgets=["0.001/day"])
    admission = scene.admit()
    for amount in (400_000, 300_000, 900_000):
        run(admission.reserve(amount))
    assert run(scene.gate.usage(scene.key.id))["budgets"][0]["reserved"] == 0.0009
    with pytest.raises(QuotaExhaustedError, match=r"\$0.001 is left"):
        run(admission.reserve(1_100_000))


def test_state_out_of_reach_admits_nothing(home: Path) -> None:
    scene = Scene(home, requests_per_minute=5, budgets=["1/day"])
    scene.state.claim = lambda claims: fail(StateError("no connection"))
    with pytest.raises(UnavailableError, match="no connection"):
        scene.admit()
    scene.spending.reserve = lambda name, claims: fail(StateError("no connection"))
    with pytest.raises(UnavailableError):
        run(scene.gate.admission(scene.key).reserve(1))


class Store:
    """A store in memory."""

    def __init__(self, stored: dict[str, Any]) -> None:
        self.stored = stored
        self.snapshot: Any = dict

    def load(self) -> dict[str, Any]:
        return self.stored

    def watch(self, snapshot: Any) -> None:
        self.snapshot = snapshot

    def changed(self) -> None:
        self.stored = {"version": 1, **self.snapshot()}

    def stop(self) -> Deferred[None]:
        return succeed(None)


def test_what_a_killed_process_reserved_stays_reserved_for_a_while() -> None:
    clock = Clock()
    store: Any = Store({})
    first = MemorySpending(clock.seconds)
    first.load(store)
    first.reserve("1", [SpendClaim("key_a/day", "d", 200, 999), SpendClaim("key_b/day", "d", 1, 9)])
    first.reserve("2", [SpendClaim("key_a/day", "d", 100, 999)])
    first.settle("2", 40)
    second = MemorySpending(clock.seconds)
    second.load(store)
    found: list[Any] = []
    second.look([("key_a/day", "d")]).addCallback(found.extend)
    clock.advance(RESERVATION_TTL)
    second.look([("key_a/day", "d")]).addCallback(found.extend)
    assert [(each.spent, each.reserved) for each in found] == [(40, 200), (40, 0)]
    second.keep({"key_b"})
    assert set(store.stored["accounts"]) == {"key_b/day"}


@pytest.mark.parametrize("stored", [{"accounts": []}, {"accounts": {"a/day": {"spent": "x"}}}, {}])
def test_damaged_spending_is_ignored(stored: dict[str, Any]) -> None:
    spending = MemorySpending(Clock().seconds)
    store: Any = Store(stored)
    spending.load(store)


def test_headers_have_the_names_of_the_client() -> None:
    limits = [LimitState("requests", 5, 3, 64.2), LimitState("tokens", 100, 0, 0)]
    assert dict(limit_headers(limits, "anthropic", START)) == {
        "anthropic-ratelimit-requests-limit": "5",
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2026-11-30T12:01:05Z",
        "anthropic-ratelimit-tokens-limit": "100",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-11-30T12:00:00Z",
    }
    others = dict(limit_headers(limits, "openai_chat", START))
    assert others["x-ratelimit-reset-requests"] == "1m5s"
    assert others["x-ratelimit-remaining-tokens"] == "0"
    passed = (("X-RateLimit-Limit-Requests", "9"), ("x-other", "1"))
    assert without_limits(passed) == (("x-other", "1"),)
    assert [duration(each) for each in (0, 0.1, 59.5, 60, 3600)] == [
        "0s", "1s", "1m0s", "1m0s", "60m0s"
    ]  # fmt: skip


def test_usage_of_another_principal_is_not_found(home: Path) -> None:
    with pytest.raises(GatewayError, match="keys add"):
        run(Scene(home).gate.usage("0123456789abcdef"))
