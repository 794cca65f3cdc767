"""The modes do what their names promise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from zope.interface.verify import verifyObject

from antigravity.accounts.affinity import rendezvous_weight
from antigravity.accounts.selection import POLICIES, is_overloaded
from antigravity.accounts.session_binder import SessionBinder
from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.selection import (
    AccountFacts,
    Candidate,
    ISelectionPolicy,
    Selection,
    SelectionContext,
)
from antigravity.ir.errors import RateLimitedError
from tests.accounts.pool_fixture import FLASH, PRO, PoolFixture, got, waits

ALL = ["a", "b", "c"]


def slow(seconds: float) -> RateLimitedError:
    return RateLimitedError("slow", retry_after=seconds)


@pytest.mark.parametrize("name", ["CacheFirst", "Balance", "PerformanceFirst"])
def test_modes_provide_the_policy_interface(name: str) -> None:
    verifyObject(ISelectionPolicy, POLICIES[name])
    assert POLICIES[name].name == name


@pytest.mark.parametrize("mode", ["CacheFirst", "Balance"])
def test_session_stays_with_its_account(mode: str) -> None:
    kit = PoolFixture(ALL, mode=mode)
    homes: dict[str, str] = {}
    for turn in range(5):
        for number in range(12):
            lease = kit.take(f"s{number}")
            home = homes.setdefault(f"s{number}", lease.credential.id)
            assert lease.credential.id == home, turn
            lease.succeeded()
    assert set(homes.values()) == set(ALL)


def test_cache_first_waits_for_bound_account() -> None:
    kit = PoolFixture(ALL, mode="CacheFirst")
    own = kit.take("s")
    own.failed(slow(30.0))
    waiting = kit.ask("s")
    assert waits(waiting)
    assert set(kit.states("s").values()) == {"locked", "available"}
    kit.clock.advance(30.0)
    assert got(waiting).credential.id == own.credential.id


def test_cache_first_moves_session_after_max_wait() -> None:
    kit = PoolFixture(ALL, mode="CacheFirst", max_wait_seconds=40.0, max_concurrency=1)
    own = kit.take("s")
    waiting = kit.ask("s", max_wait=100.0)
    kit.clock.advance(39.0)
    assert waits(waiting)
    kit.clock.advance(1.0)
    moved = got(waiting)
    assert moved.credential.id != own.credential.id
    own.succeeded()
    moved.succeeded()
    assert kit.take("s").credential.id == moved.credential.id


def test_cache_first_does_not_wait_for_a_longer_lock() -> None:
    kit = PoolFixture(ALL, mode="CacheFirst", max_wait_seconds=40.0)
    own = kit.take("s")
    own.failed(slow(41.0))
    assert kit.take("s").credential.id != own.credential.id


def test_cache_first_moves_session_after_a_shorter_wait() -> None:
    kit = PoolFixture(ALL, mode="CacheFirst", max_concurrency=1)
    own = kit.take("s")
    waiting = kit.ask("s", max_wait=10.0)
    kit.clock.advance(10.0)
    assert got(waiting).credential.id != own.credential.id


def test_balance_uses_another_account_during_a_short_lock() -> None:
    kit = PoolFixture(ALL)
    own = kit.take("s")
    own.failed(slow(30.0))
    others = {kit.take("s").credential.id for _ in range(3)}
    assert len(others) == 1  # the second choice is always the same
    assert own.credential.id not in others
    kit.clock.advance(30.0)
    assert kit.take("s").credential.id == own.credential.id


def test_balance_moves_session_after_a_long_lock() -> None:
    kit = PoolFixture(ALL)
    own = kit.take("s")
    own.failed(slow(7200.0))
    new = kit.take("s").credential.id
    kit.clock.advance(7200.0)
    assert kit.take("s").credential.id == new != own.credential.id


def test_moved_session_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class Log:
        def info(self, line: str, **fields: Any) -> None:
            lines.append(line.format(**fields))

    monkeypatch.setattr(SessionBinder, "log", Log())
    kit = PoolFixture(ALL)
    own = kit.take("conversation")
    own.failed(slow(30.0))
    kit.take("conversation").succeeded()
    assert [line for line in lines if "moves" in line] == [], "trouble that passes"
    kit.clock.advance(30.0)
    kit.take("conversation").failed(slow(7200.0))
    new = kit.take("conversation").credential.id
    moves = [line for line in lines if "moves" in line]
    assert moves == [f"session conversa moves from {own.credential.id} to {new} for {PRO.model}"]


def test_performance_first_spreads_by_load() -> None:
    kit = PoolFixture(ALL, mode="PerformanceFirst")
    leases = [kit.take("s") for _ in range(9)]
    used = [lease.credential.id for lease in leases]
    assert {used.count(name) for name in ALL} == {3}
    quiet = leases[4]
    quiet.succeeded()
    assert kit.take("s").credential.id == quiet.credential.id
    assert to_builtins(kit.pool.status())["bindings"] == 0


def test_performance_first_takes_turns_without_load() -> None:
    kit = PoolFixture(ALL, mode="PerformanceFirst")
    used = []
    for _ in range(6):
        lease = kit.take("s")
        used.append(lease.credential.id)
        lease.succeeded()
        kit.clock.advance(1.0)
    assert {used.count(name) for name in ALL} == {2}


def test_session_leaves_overloaded_account() -> None:
    kit = PoolFixture(["a", "b"])
    kit.pool.fix("a")
    kit.take("s").succeeded()
    kit.pool.fix(None)
    session = next(
        name
        for name in map(str, range(99))
        if rendezvous_weight(name, "a") > rendezvous_weight(name, "b")
    )
    kit.take(session).succeeded()
    kit.pool.fix("a")
    busy = [kit.take("other") for _ in range(6)]
    kit.pool.fix(None)
    assert kit.take(session).credential.id == "b"
    for lease in busy:
        lease.succeeded()
    assert kit.take(session).credential.id == "b"


def test_parallel_requests_of_a_session_do_not_overload_its_account() -> None:
    kit = PoolFixture(ALL)
    assert len({kit.take("s").credential.id for _ in range(26)}) == 1


def test_sessions_are_bound_per_model() -> None:
    kit = PoolFixture(ALL)
    own = kit.take("s", PRO)
    own.failed(slow(7200.0))
    kit.take("s", FLASH).succeeded()
    assert to_builtins(kit.pool.status())["bindings"] == 2


def test_order_by_tier_quota_and_load() -> None:
    facts = {
        "a": AccountFacts("FREE", 1.0),
        "b": AccountFacts("PRO", 0.2),
        "c": AccountFacts("PRO", 0.9),
        "d": AccountFacts("ULTRA", 0.1),
    }
    kit = PoolFixture(list("abcd"), facts=facts)
    tried: list[str] = []
    while len(tried) < 4:
        tried.append(kit.take("s", exclude=tried).credential.id)
    assert tried == ["d", "c", "b", "a"]


def test_load_decides_between_similar_quotas() -> None:
    kit = PoolFixture(
        ["a", "b"], facts={"a": AccountFacts("PRO", 0.53), "b": AccountFacts("PRO", 0.5)}
    )
    used = [kit.take(f"s{n}").credential.id for n in range(40)]
    assert abs(used.count("a") - used.count("b")) <= 14


def test_requests_without_session_stay_with_recent_account() -> None:
    kit = PoolFixture(list("abcdefgh"))
    first = kit.take()
    first.succeeded()
    kit.clock.advance(59.0)
    second = kit.take()
    assert second.credential.id == first.credential.id
    second.succeeded()
    kit.clock.advance(61.0)
    assert kit.take().credential.id != first.credential.id  # the turn of one that was idle


def test_parallel_requests_without_session_are_spread() -> None:
    kit = PoolFixture(ALL)
    used = [kit.take().credential.id for _ in range(30)]
    assert all(7 <= used.count(name) <= 13 for name in ALL)


def test_fixed_account_is_preferred() -> None:
    kit = PoolFixture(ALL)

    def serve(session: str) -> str:
        lease = kit.take(session)
        lease.succeeded()
        return str(lease.credential.id)

    own = {name: serve(name) for name in map(str, range(9))}
    assert set(own.values()) == set(ALL)
    kit.pool.fix("b")
    assert {serve(name) for name in [*own, "new"]} == {"b"}
    kit.take("x").failed(slow(30.0))
    assert serve("x") != "b"
    kit.pool.fix(None)
    kit.clock.advance(30.0)
    assert {name: serve(name) for name in own} == own  # fixing has moved nobody for good


def test_fixed_account_does_not_move_sessions() -> None:
    kit = PoolFixture(ALL)
    own = kit.take("s")
    own.failed(slow(7200.0))
    kit.pool.fix(next(name for name in ALL if name != own.credential.id))
    kit.take("s").succeeded()
    kit.pool.fix(None)
    kit.clock.advance(7200.0)
    assert kit.take("s").credential.id == own.credential.id


def test_bindings_can_be_cleared() -> None:
    kit = PoolFixture(ALL)
    for number in range(9):
        kit.take(f"s{number}")
    kit.pool.clear_bindings()
    assert to_builtins(kit.pool.status())["bindings"] == 0


def test_two_processes_choose_the_same_account() -> None:
    one, two = PoolFixture(list("abcde")), PoolFixture(list("edcba"))
    for number in range(50):
        session = f"conversation {number}"
        first, second = one.take(session), two.take(session)
        assert first.credential.id == second.credential.id
        first.succeeded()
        second.succeeded()


def test_policy_of_a_plugin_is_selected_by_name() -> None:
    class Last:
        name = "Balance"
        sticky = False

        def select(self, candidates: Any, context: SelectionContext) -> Selection:
            return Selection(tuple(reversed(candidates)))

        def moves(self, bound: Any, candidates: Any, context: SelectionContext) -> bool:
            return False

    kit = PoolFixture(ALL, policies={"Balance": Last()}, max_concurrency=1)
    assert [kit.take().credential.id for _ in range(3)] == ["c", "b", "a"]
    assert waits(kit.ask())  # whatever a policy says, nobody is leased who is not free


def test_policy_of_plugin_decides_about_only_account() -> None:
    kit = PoolFixture(ALL[:1], policies={"Never": Broken(Selection())}, mode="Never")
    assert waits(kit.ask())


class Broken:
    """A policy that goes wrong in a way that can be chosen."""

    name = "Broken"
    sticky = True

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def select(self, candidates: Any, context: SelectionContext) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def moves(self, bound: Any, candidates: Any, context: SelectionContext) -> bool:
        raise RuntimeError("out of order")


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("out of order"),
        None,
        Selection((Candidate(0, PRO, "stranger"),)),
        Selection(wait=float("nan")),
    ],
    ids=["raises", "nothing", "stranger", "no time"],
)
def test_failing_policy_is_replaced_by_balance(answer: Any) -> None:
    kit = PoolFixture(ALL, policies={"Broken": Broken(answer)}, mode="Broken", max_concurrency=1)
    leases = [kit.take("s") for _ in ALL]
    waiting = kit.ask("s")
    leases[1].succeeded()
    assert got(waiting).credential.id == leases[1].credential.id


def test_policy_can_change_while_requests_wait() -> None:
    kit = PoolFixture(ALL, mode="CacheFirst", max_concurrency=1)
    own = kit.take("s")
    waiting = kit.ask("s")
    assert waits(waiting)
    kit.reload(max_concurrency=1)
    assert got(waiting).credential.id != own.credential.id
    assert to_builtins(kit.pool.status())["mode"] == "Balance"


def candidate(name: str, load: int, foreign: int | None = None) -> Candidate:
    return Candidate(0, PRO, name, load=load, load_of_others=load if foreign is None else foreign)


def test_overload_is_relative_to_other_accounts() -> None:
    idle = [candidate("b", 0), candidate("c", 0)]
    assert is_overloaded(candidate("a", 5), [candidate("a", 5), *idle])
    assert not is_overloaded(candidate("a", 3), idle)
    assert not is_overloaded(candidate("a", 20, 0), idle)
    assert not is_overloaded(candidate("a", 5), [candidate("b", 4)])
    assert not is_overloaded(candidate("a", 50), [candidate("a", 50)])


@given(
    st.sets(st.integers(0, 50), min_size=2, max_size=8), st.integers(0, 10**6), st.integers(0, 7)
)
def test_rendezvous_moves_only_sessions_of_a_removed_account(
    numbers: set[int], session: int, which: int
) -> None:
    accounts = sorted(f"account-{number}" for number in numbers)
    gone = accounts[which % len(accounts)]

    def first(among: list[str]) -> str:
        return max(among, key=lambda name: rendezvous_weight(str(session), name))

    before = first(accounts)
    after = first([name for name in accounts if name != gone])
    assert after == before or before == gone


def test_affinity_does_not_change_order_of_upstream_models() -> None:
    kit = PoolFixture(["a"])
    kit.source.upstreams["zai"] = ["z"]
    other = UpstreamModel("zai", "glm")
    kit.take("s", other)
    assert kit.take("s", PRO, other).credential.id == "a"
