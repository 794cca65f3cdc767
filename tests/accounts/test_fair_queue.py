"""Who waits is served in turn: principals, their conversations, and then as they came."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from twisted.internet.defer import Deferred

from antigravity.accounts.fair_queue import FairQueue
from antigravity.interfaces.accounts import ILease
from antigravity.ir.errors import OverloadedError
from tests.accounts.pool_fixture import PRO, PoolFixture, error, got, waits


class Item:
    """Something that waits; two of the same name are two."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        raise AssertionError("items are known by their identity")

    __hash__ = None  # type: ignore[assignment]


def queue_of(*places: str) -> FairQueue[Item]:
    """Return a queue of items that are named, and placed, ``principal.session.number``."""
    queue: FairQueue[Item] = FairQueue()
    for name in places:
        principal, session, _ = name.split(".")
        queue.add(principal, session, Item(name))
    return queue


def served(queue: FairQueue[Item], most: int = 999) -> list[str]:
    """Serve one at a time; return who was."""
    names = []
    while queue and len(names) < most:
        item = next(iter(queue))
        names.append(item.name)
        assert queue.remove(item, served=True)
        assert not queue.remove(item)
    return names


def test_principals_and_conversations_take_turns() -> None:
    queue = queue_of("p.s.1", "p.s.2", "p.s.3", "p.t.1", "q.s.1", "p.u.1")
    order = ["p.s.1", "q.s.1", "p.t.1", "p.u.1", "p.s.2", "p.s.3"]
    assert [item.name for item in queue] == order
    assert served(queue) == order
    assert not list(queue)


def test_served_principal_goes_to_the_end() -> None:
    queue = queue_of("p.s.1", "p.s.2", "q.s.1", "q.s.2")
    assert served(queue, 1) == ["p.s.1"]
    queue.add("r", "s", Item("r.s.1"))
    assert served(queue) == ["q.s.1", "p.s.2", "r.s.1", "q.s.2"]


def test_turns_do_not_accumulate() -> None:
    """One whose requests cannot be served for long gets no more than its turn when they can."""
    queue = queue_of(*(f"stuck.s.{number}" for number in range(50)))
    for number in range(50):
        item = Item(f"busy.s.{number}")
        queue.add("busy", "s", item)
        queue.remove(item, served=True)
    queue.add("busy", "s", Item("busy.s.last"))
    assert served(queue, 2) == ["stuck.s.0", "busy.s.last"]


def test_removed_item_does_not_change_order() -> None:
    queue = queue_of("p.s.1", "q.s.1", "r.s.1", "p.s.2")
    for item in queue:
        if item.name in ("p.s.1", "q.s.1"):
            queue.remove(item)
    assert served(queue) == ["p.s.2", "r.s.1"]


def test_last_item_of_largest_principal_makes_room() -> None:
    queue = queue_of("p.s.1", "p.t.1", "p.s.2", "q.s.1")
    for principal, name in (("r", "p.s.2"), ("q", "p.s.2"), ("p", None)):
        item = queue.least_due(principal)
        assert (None if item is None else item.name) == name
    assert FairQueue[Item]().least_due("p") is None


def test_longest_conversation_of_the_principal_makes_room() -> None:
    queue = queue_of("p.s.1", "p.s.2", "p.s.3", "p.t.1", "q.s.1", "q.s.2", "q.s.3")
    for session, name in (("u", "p.s.3"), ("t", "p.s.3"), ("s", None)):
        item = queue.least_due("p", session)
        assert (None if item is None else item.name) == name


PLACES = st.tuples(st.sampled_from("pqr"), st.sampled_from("st"))


@given(st.lists(PLACES, max_size=40))
def test_all_others_are_served_between_two_turns(places: list[tuple[str, str]]) -> None:
    numbers = count()
    names = [f"{principal}.{session}.{next(numbers)}" for principal, session in places]
    left = {principal: sum(p == principal for p, _ in places) for principal in "pqr"}
    last: dict[str, int] = {}
    seen: dict[str, int] = {}
    for turn, name in enumerate(served(queue_of(*names))):
        principal, session, number = name.split(".")
        assert seen.get(f"{principal}.{session}", -1) < int(number), "as they came"
        seen[f"{principal}.{session}"] = int(number)
        passed_over = [
            other
            for other in "pqr"
            if left[other] and last.get(other, -1) < last.get(principal, -1)
        ]
        assert not passed_over, "somebody who was served before has one more"
        left[principal] -= 1
        last[principal] = turn


def test_single_request_is_not_behind_two_hundred_of_another_key() -> None:
    """Also where there is one account, so that nobody asks which conversation it is."""
    kit = PoolFixture(["a"], max_concurrency=1)
    running = [kit.take()]
    order: list[str] = []

    def serve(lease: ILease, name: str) -> None:
        order.append(name)
        running.append(lease)

    def ask(name: str) -> None:
        asked: Deferred[ILease] = kit.ask(max_wait=10_000.0, principal=name)
        asked.addCallback(serve, name)

    for _ in range(200):
        ask("greedy")
    ask("modest")
    while running:
        kit.clock.advance(1.0)
        running.pop().succeeded()
    assert len(order) == 201
    assert order.index("modest") == 1
    assert kit.clock.getDelayedCalls() == []


def test_full_queue_accepts_another_key() -> None:
    kit = PoolFixture(["a"], max_concurrency=1, queue_limit=3)
    lease = kit.take()
    greedy = [kit.ask(principal="greedy") for _ in range(3)]
    assert kit.refused(principal="greedy").code == "queue_full"
    modest = kit.ask(principal="modest")
    refusal = error(greedy[2])
    assert isinstance(refusal, OverloadedError)
    assert (refusal.code, refusal.status) == ("queue_full", 503)
    assert to_builtins(kit.pool.status())["queue"] == {"waiting": 3, "limit": 3}
    again = kit.ask(principal="modest")
    assert waits(again) is False, "two each would be more than its share"
    lease.succeeded()
    got(greedy[0]).succeeded()
    got(modest).succeeded()
    got(greedy[1]).succeeded()
    assert kit.clock.getDelayedCalls() == []


def test_queue_limit_of_zero_refuses_all() -> None:
    kit = PoolFixture(["a"], max_concurrency=1, queue_limit=0)
    kit.take()
    assert kit.refused("", PRO, principal="p").code == "queue_full"
