"""A long session is cut seldom, and stays as it was cut in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from antigravity.context.compression import CompressionRules, Limits, decide, with_fork
from antigravity.context.estimate import estimate_tokens
from antigravity.context.layers import NO_COMPRESSION, CompressionPlan, apply
from antigravity.context.plan_store import UNKNOWN, CachedPlan, PlanStore
from antigravity.ir.parts import CacheControl, Text
from antigravity.ir.request import Message, Request
from antigravity.stores.bounded_cache import BoundedCache
from tests.context.histories import prose, round_of, says

TURNS = 300
WINDOW = 40_000
TERMS = CompressionRules(Limits(WINDOW, WINDOW, WINDOW, WINDOW))


def measure(messages: Sequence[Message]) -> int:
    return estimate_tokens(Request("m", tuple(messages), "test"))


def memory() -> PlanStore:
    return PlanStore(BoundedCache(lambda: 0.0, max_entries=9, max_bytes=99_999, ttl=9.0))


class Session:
    """Turns of one conversation, each with what was remembered of the one before."""

    def __init__(self, terms: CompressionRules = TERMS) -> None:
        self.memory = memory()
        self.terms = terms
        self.messages: list[Message] = [says("Mend the roof.")]
        self.sent: tuple[Message, ...] = ()
        self.changes = 0
        self.summaries = 0

    def turn(self) -> None:
        """Send the history; count whether it begins as it did the last time."""
        known = self.memory.get("k")
        plan = known.plan_for(self.messages)
        decision = decide(self.messages, plan, self.terms, measure)
        new = decision.plan
        if decision.fork:
            self.summaries += 1
            new = with_fork(new, decision.fork, f"summary {self.summaries}")
        if new != plan:
            self.memory.put("k", known.with_plan(new, self.messages))
        sent = apply(self.messages, new, keep_signatures=False).messages
        assert measure(sent) <= WINDOW
        if sent[: len(self.sent)] != self.sent:
            self.changes += 1
        self.sent = sent


@pytest.mark.parametrize(
    ("size", "thinking", "most"), [(2_000, 0, 6), (2_000, 1_500, 14), (400, 3_000, 16), (700, 0, 2)]
)
def test_three_hundred_turns_change_the_prefix_rarely(size: int, thinking: int, most: int) -> None:
    session = Session()
    for number in range(TURNS):
        session.turn()
        session.messages += round_of(number, size, thinking=thinking)
    windows = measure(session.messages) / WINDOW
    assert windows > 1.5, "it would not have fitted"
    assert windows / 3 < session.changes <= most


def test_early_thresholds_do_not_cut_at_every_turn() -> None:
    session = Session(CompressionRules(Limits(WINDOW, 16_000, 22_000, 28_000)))
    for number in range(TURNS):
        session.turn()
        session.messages += round_of(number, 2_000, thinking=1_000)
    assert 0 < session.changes <= 45
    assert measure(session.sent) <= 30_000


def test_plan_applies_to_its_history_only() -> None:
    messages = [says("a"), *round_of(0, 10), *round_of(1, 10)]
    known = UNKNOWN.with_plan(CompressionPlan(rounds=3), messages)
    assert known.plan_for(messages) == known.plan
    assert known.plan_for([*messages, says("more")]) == known.plan
    assert known.plan_for(messages[:2]) == NO_COMPRESSION
    assert known.plan_for([says("b"), *messages[1:]]) == NO_COMPRESSION
    wandering = [Message("user", (Text("a", cache=CacheControl()),)), *messages[1:]]
    assert known.plan_for(wandering) == known.plan


def test_stored_plan_is_loaded() -> None:
    known = memory()
    remembered = CachedPlan(CompressionPlan(1, 2, 3, 4, "s"), "d", 5, True)
    known.put("k", remembered)
    assert known.get("k") == remembered
    assert known.get("other") == UNKNOWN


def test_invalid_plan_is_ignored() -> None:
    store = BoundedCache(lambda: 0.0, max_entries=9, max_bytes=999, ttl=9.0)
    store.put("k", b"\xc1nonsense")
    assert PlanStore(store).get("k") == UNKNOWN


def test_body_as_large_as_a_refused_one_may_be_too_long() -> None:
    known = memory()
    assert not known.may_be_too_long("m", 10**9)
    known.refused("m", 500)
    known.refused("m", 700)
    assert known.may_be_too_long("m", 500)
    assert not known.may_be_too_long("m", 499)
    assert not known.may_be_too_long("other", 500)
    for number in range(300):
        known.refused(f"m{number}", 1)
    assert not known.may_be_too_long("m", 10**9), "the number of models is bounded"


def test_summary_is_requested_once_per_cut() -> None:
    session = Session()
    for number in range(60):
        session.turn()
        session.messages += [Message("assistant", (Text(prose(4_000)),)), says(f"Next {number}.")]
    assert session.summaries == session.changes > 0
    assert session.summaries <= 4


class SharedPlansOfTest:
    """What several gateways share: a dictionary."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values
        self.is_used = True
        self.asked: list[str] = []
        self.on_drop: Callable[[str], object] = lambda key: None
        self.others: list[SharedPlansOfTest] = []

    def put(self, key: str, value: bytes, ttl: float) -> None:
        assert ttl == 60.0
        self.values[key] = value

    def drop(self, key: str) -> None:
        for each in self.others:
            each.on_drop(key)

    async def find(self, key: str) -> bytes | None:
        self.asked.append(key)
        return self.values.get(key)


def fetched(store: PlanStore, key: str) -> CachedPlan:
    """Return a plan after it was looked for elsewhere."""
    with pytest.raises(StopIteration):
        store.fetch(key).send(None)
    return store.get(key)


def test_plan_of_other_gateway_is_used_until_it_is_replaced() -> None:
    values: dict[str, bytes] = {}
    shared = [SharedPlansOfTest(values) for _ in range(2)]
    shared[0].others, shared[1].others = [shared[1]], [shared[0]]
    one, other = (
        PlanStore(BoundedCache(lambda: 0.0, max_entries=9, max_bytes=9999, ttl=9.0), each, 60.0)
        for each in shared
    )
    assert fetched(other, "k") == UNKNOWN
    one.put("k", CachedPlan(ceiling=1))
    assert [fetched(other, "k").ceiling for _ in range(3)] == [1, 1, 1]
    assert shared[1].asked == ["k", "k"], "once absent, once found"
    other.put("k", CachedPlan(ceiling=2))
    assert fetched(one, "k").ceiling == 2
    shared[1].is_used = False
    other.put("k", CachedPlan(ceiling=3))
    assert [fetched(other, "k").ceiling, fetched(one, "k").ceiling] == [3, 2]
