"""Options of one rank share the requests; those of a later rank only stand in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from antigravity.accounts.selection import POLICIES
from antigravity.interfaces.accounts import LeaseRequest, UpstreamModel
from antigravity.interfaces.selection import AccountFacts, Candidate, SelectionContext
from antigravity.ir.errors import QuotaExhaustedError, RateLimitedError
from tests.accounts.pool_fixture import PRO, PoolFixture, got, waits

GLM = UpstreamModel("zai", "glm")
BOTH = (PRO, GLM)
MODES = ["CacheFirst", "Balance", "PerformanceFirst"]


class RankedKit(PoolFixture):
    """A pool of two upstreams; demands name both, alike unless ``ranks`` say otherwise."""

    def __init__(self, accounts: Any = ("a", "b", "c"), **more: Any) -> None:
        super().__init__(accounts, **more)
        self.source.upstreams["zai"] = ["z"]

    def request(self, session: str, ranks: tuple[int, ...], exclude: Any = ()) -> LeaseRequest:
        return LeaseRequest(BOTH, session, frozenset(exclude), ranks=ranks)

    def serve(self, session: str = "", ranks: tuple[int, ...] = (0, 0), **more: Any) -> Any:
        return got(self.pool.lease(self.request(session, ranks, **more), 60.0))

    def name(self, session: str = "", ranks: tuple[int, ...] = (0, 0)) -> str:
        lease = self.serve(session, ranks)
        lease.succeeded()
        return str(lease.credential.id)

    def bindings(self) -> int:
        return int(to_builtins(self.pool.status())["bindings"])  # type: ignore[call-overload]


def slow(seconds: float) -> RateLimitedError:
    return RateLimitedError("slow", retry_after=seconds)


@pytest.mark.parametrize("mode", ["CacheFirst", "Balance"])
@pytest.mark.parametrize(
    "facts",
    [
        {},
        {name: AccountFacts("ULTRA", 0.9) for name in "abc"},
        {name: AccountFacts("FREE", 0.2) for name in "abc"},
    ],
)
def test_upstreams_of_a_rank_share_sessions_by_number_of_accounts(mode: str, facts: Any) -> None:
    kit = RankedKit(mode=mode, facts=facts)
    served = [kit.name(f"s{number}") for number in range(200)]
    assert 30 <= served.count("z") <= 70  # one of four accounts; tier and quota do not matter


def test_tier_decides_within_an_upstream() -> None:
    facts = {"a": AccountFacts("PRO"), "b": AccountFacts("FREE"), "c": AccountFacts("FREE")}
    kit = RankedKit(facts=facts)
    assert {kit.name(f"s{number}") for number in range(40)} == {"a", "z"}


def test_load_without_sessions_is_spread_over_upstreams() -> None:
    kit = RankedKit(mode="PerformanceFirst", facts={"a": AccountFacts("ULTRA")})
    used = [kit.serve().credential.id for _ in range(8)]
    assert {used.count(name) for name in "abcz"} == {2}


def test_requests_without_session_change_upstream_after_a_minute() -> None:
    kit = RankedKit()
    first = kit.name()
    kit.clock.advance(1.0)
    assert kit.name() == first
    turns = set()
    for _ in range(4):
        kit.clock.advance(61.0)
        turns.add(kit.name() == "z")
    assert turns == {True, False}


@pytest.mark.parametrize("mode", ["CacheFirst", "Balance"])
def test_session_stays_with_its_upstream(mode: str) -> None:
    kit = RankedKit(mode=mode)
    homes = {f"s{number}": kit.name(f"s{number}") for number in range(30)}
    assert {"z"} < set(homes.values())
    for _ in range(3):
        assert {session: kit.name(session) for session in homes} == homes
    assert kit.bindings() == 30


def at_home_with(kit: RankedKit, account: str) -> str:
    """Return a conversation that belongs to an account."""
    return next(name for name in map(str, range(999)) if kit.name(name) == account)


def test_short_lock_does_not_move_session_to_other_upstream() -> None:
    kit = RankedKit(["a"])
    session = at_home_with(kit, "a")
    before = kit.bindings()
    kit.serve(session).failed(slow(30.0))
    assert kit.name(session) == "z"
    assert kit.bindings() == before
    kit.clock.advance(30.0)
    assert kit.name(session) == "a"


def test_long_lock_moves_session_to_other_upstream() -> None:
    kit = RankedKit(["a"])
    session = at_home_with(kit, "a")
    before = kit.bindings()
    kit.serve(session).failed(QuotaExhaustedError("gone", retry_after=7200.0))
    assert kit.name(session) == "z"
    assert kit.bindings() == before  # of one account, as ever
    kit.clock.advance(7200.0)
    assert kit.name(session) == "z"


def test_cache_first_waits_rather_than_using_other_upstream() -> None:
    kit = RankedKit(["a"], mode="CacheFirst")
    session = at_home_with(kit, "z")
    kit.serve(session).failed(slow(30.0))
    waiting = kit.pool.lease(kit.request(session, (0, 0)), 60.0)
    assert waits(waiting)
    kit.clock.advance(30.0)
    assert got(waiting).credential.id == "z"


def test_session_bound_to_two_upstreams_keeps_one() -> None:
    kit = RankedKit(["a"])
    kit.name("s", (0, 1))
    kit.serve("s", (0, 1)).failed(slow(30.0))
    assert kit.name("s", (0, 1)) == "z"
    assert kit.bindings() == 2
    kit.clock.advance(30.0)
    assert len({kit.name("s") for _ in range(5)}) == 1
    assert kit.bindings() == 1


@pytest.mark.parametrize("mode", ["Balance", "PerformanceFirst"])
def test_later_rank_serves_only_if_earlier_ones_cannot(mode: str) -> None:
    kit = RankedKit(["a", "b"], mode=mode)
    assert {kit.name(f"s{number}", (0, 1)) for number in range(20)} <= {"a", "b"}
    first = kit.serve("s", (0, 1))
    first.failed(slow(50.0))
    second = kit.serve("s", (0, 1))
    assert second.credential.id in {"a", "b"} - {first.credential.id}
    second.failed(slow(20.0))
    assert kit.name("s", (0, 1)) == "z"
    kit.clock.advance(20.0)
    assert kit.name("s", (0, 1)) == second.credential.id


def test_later_rank_serves_if_earlier_one_has_no_accounts() -> None:
    assert RankedKit([]).name("s", (0, 1)) == "z"


def test_explain_names_ranks_and_turns() -> None:
    kit = RankedKit(["a"])
    session = at_home_with(kit, "z")
    kit.clock.advance(100_000.0)  # the conversation is forgotten, its turn is not
    found = {v.credential: v for v in kit.pool.explain(kit.request(session, (0, 0)))}
    assert found["z"].state == "chosen"
    assert "take turns" in found["a"].reason
    behind = {v.credential: v for v in kit.pool.explain(kit.request(session, (0, 1)))}
    assert behind["a"].state == "chosen"
    assert "preferred upstream_model" in behind["z"].reason


@st.composite
def candidates(draw: Any) -> Candidate:
    upstream = draw(st.sampled_from(["u", "v", "w"]))
    name = f"{upstream}{draw(st.integers(0, 3))}"
    load = draw(st.integers(0, 5))
    return Candidate(
        draw(st.integers(0, 2)),
        UpstreamModel(upstream, "m"),
        name,
        tier=draw(st.integers(0, 2)),
        remaining=draw(st.sampled_from([0.0, 0.5, 1.0])),
        load=load,
        load_of_others=draw(st.integers(0, load)),
        last_used=draw(st.sampled_from([0.0, 5.0, 9.0])),
        locked_for=draw(st.sampled_from([0.0, 0.0, 7.0])),
        disabled=draw(st.sampled_from(["", "", "off"])),
        busy=draw(st.booleans()),
        bound=draw(st.booleans()),
        recent=draw(st.booleans()),
    )


@pytest.mark.parametrize("mode", MODES)
@given(st.lists(candidates(), max_size=12), st.sampled_from(["", "s"]))
def test_selection_keeps_ranks_and_candidates(
    mode: str, found: list[Candidate], session: str
) -> None:
    order = POLICIES[mode].select(found, SelectionContext(session, waited=60.0)).order
    assert [each.rank for each in order] == sorted(each.rank for each in order)
    free = [each for each in found if each.available]
    assert sorted(map(repr, order)) == sorted(map(repr, free))
