"""Many accounts behave as one: nobody gets what is locked, and everybody gets what is free."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import to_builtins
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from antigravity.config.atomic import write_atomically
from antigravity.interfaces.accounts import IAccountPool, ILease, LeaseRequest, UpstreamModel
from antigravity.interfaces.selection import AccountFacts, Protection
from antigravity.ir.errors import (
    EmptyResponseError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.stores.json_state import JsonState
from tests.accounts.pool_fixture import (
    BEGINNING,
    FLASH,
    PRO,
    PoolFixture,
    Source,
    error,
    got,
    waits,
)


def quota(seconds: float | None = None) -> QuotaExhaustedError:
    return QuotaExhaustedError("used up", retry_after=seconds, upstream_status=429)


def refused() -> UpstreamCredentialError:
    return UpstreamCredentialError("no", upstream_status=401)


def test_pool_provides_its_interface() -> None:
    kit = PoolFixture()
    verifyObject(IAccountPool, kit.pool)
    verifyObject(ILease, kit.take())


def state(path: Path, clock: Clock) -> JsonState:
    return JsonState(path, clock, write=write_atomically)


def test_pool_waits_until_upstream_reset_time_also_after_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "accounts.json"
    clock = Clock()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a"], clock=clock, state=state(path, clock))
    kit.take().failed(quota(7200.0))
    refusal = kit.refused()
    assert isinstance(refusal, QuotaExhaustedError)
    assert refusal.retry_after == 7200.0
    assert kit.take("", FLASH).credential.id == "a"  # other models of the account are free
    kit.pool.stop()
    clock.advance(3600.0)
    again = PoolFixture(["a", "b"], clock=clock, state=state(path, clock))
    for _ in range(10):
        assert again.take().credential.id == "b"
    alone = PoolFixture(["a"], clock=clock, state=state(path, clock))
    assert alone.refused().retry_after == 3600.0
    clock.advance(3599.5)
    assert alone.states() == {"a": "locked"}
    clock.advance(0.5)
    assert alone.take().credential.id == "a"


def test_lock_of_thirty_days_is_kept() -> None:
    kit = PoolFixture(["a"])
    kit.take().failed(quota(30 * 86400.0))
    kit.clock.advance(29 * 86400.0)
    assert kit.refused().retry_after == 86400.0


def test_capacity_error_locks_model_for_all_accounts() -> None:
    kit = PoolFixture(["a", "b", "c"])
    kit.take().failed(OverloadedError("full", code="model_capacity_exhausted"))
    assert kit.states() == dict.fromkeys("abc", "locked")
    assert sorted(kit.states("", FLASH).values()) == ["available", "available", "chosen"]
    waiting = kit.ask()
    kit.clock.advance(5.0)
    assert waits(waiting)  # five seconds and the jitter
    kit.clock.advance(0.5)
    got(waiting).succeeded()
    kit.take().failed(OverloadedError("full", code="model_capacity_exhausted", retry_after=39.0))
    refusal = kit.refused(max_wait=10.0)
    assert isinstance(refusal, OverloadedError)
    assert refusal.code == "model_capacity_exhausted"
    assert 39.0 <= refusal.retry_after <= 40.0


def test_first_free_account_serves_waiting_request() -> None:
    kit = PoolFixture(["a", "b"])
    first = kit.take()
    first.failed(RateLimitedError("slow", retry_after=3000.0))
    second = kit.take()
    second.failed(RateLimitedError("slow", retry_after=12.0))
    waiting = kit.ask()
    kit.clock.advance(11.9)
    assert waits(waiting)
    kit.clock.advance(0.1)
    assert got(waiting).credential.id == second.credential.id


def test_request_that_cannot_be_served_in_time_is_refused_at_once() -> None:
    kit = PoolFixture(["a", "b"])
    kit.take().failed(quota(900.0))
    kit.take().failed(RateLimitedError("slow", retry_after=300.0))
    refusal = kit.refused(max_wait=60.0)
    assert type(refusal) is RateLimitedError
    assert refusal.retry_after == 300.0
    assert "mail.de" not in refusal.message
    assert not any(f" {name} " in refusal.message for name in "ab")


def test_waiting_requests_are_refused_when_waiting_is_useless() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    lease = kit.take()
    waiting = kit.ask()
    lease.failed(quota(500.0))
    assert error(waiting).retry_after == 500.0
    assert kit.clock.getDelayedCalls() == []


def test_request_is_refused_after_max_wait() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    kit.take()
    waiting = kit.ask(max_wait=20.0)
    kit.clock.advance(19.9)
    assert waits(waiting)
    kit.clock.advance(0.1)
    refusal = error(waiting)
    assert isinstance(refusal, OverloadedError)
    assert refusal.retry_after > 0
    assert kit.clock.getDelayedCalls() == []


def test_cancelled_request_does_not_affect_others() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    lease = kit.take()
    waiting = [kit.ask(f"s{n}") for n in range(3)]
    waiting[0].cancel()
    assert isinstance(error(waiting[0]), CancelledError)
    assert to_builtins(kit.pool.status())["queue"] == {"waiting": 2, "limit": 1000}
    lease.release()
    next_lease = got(waiting[1])
    next_lease.succeeded()
    got(waiting[2]).succeeded()
    assert to_builtins(kit.pool.status())["running"] == 0
    assert kit.clock.getDelayedCalls() == []


def test_request_cancelled_while_served_releases_its_lease() -> None:
    kit = PoolFixture(["a", "b"], max_concurrency=1)
    leases = [kit.take(), kit.take()]
    first = kit.ask("s1", PRO)
    second, third = kit.ask("s2"), kit.ask("s3")
    first.addCallback(lambda lease: second.cancel() or lease)
    errors: list[object] = []
    second.addErrback(errors.append)
    kit.reload(max_concurrency=2)
    assert len(errors) == 1
    assert got(third) is not None
    for lease in (*leases, got(first), got(third)):
        lease.succeeded()
    assert to_builtins(kit.pool.status())["running"] == 0


def test_hundred_requests_share_two_accounts_fairly() -> None:
    kit = PoolFixture(["a", "b"], max_concurrency=2, max_wait_seconds=1000.0)
    order: list[str] = []
    running: list[ILease] = []
    most = 0

    def serving(lease: ILease, session: str) -> None:
        nonlocal most
        order.append(session)
        running.append(lease)
        most = max(most, len(running))

    for session in ["greedy"] * 90 + [f"s{n}" for n in range(10)]:
        deferred: Deferred[ILease] = kit.ask(session, max_wait=1000.0)
        deferred.addCallback(serving, session)
    assert len(running) == 4
    while running:
        kit.clock.advance(1.0)
        lease = running.pop(0)
        lease.succeeded()
    assert len(order) == 100
    assert most == 4
    assert order.count("greedy") == 90
    # the greedy one had four before the others came; then they take turns
    assert max(order.index(f"s{n}") for n in range(10)) < 4 + 1 + 11
    assert kit.clock.getDelayedCalls() == []


def test_full_queue_refuses_requests() -> None:
    kit = PoolFixture(["a"], max_concurrency=1, queue_limit=1)
    kit.take()
    waiting = kit.ask()
    refusal = kit.refused()
    assert refusal.code == "queue_full"
    assert refusal.retry_after >= 1
    assert waits(waiting)


def test_new_requests_do_not_overtake_waiting_ones() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    kit.take().failed(RateLimitedError("slow", retry_after=10.0))
    waiting = kit.ask("old")
    kit.clock.rightNow += 10.0  # the lock is over, but no timer has fired yet
    newcomer = kit.ask("new")
    assert got(waiting).credential.id == "a"
    assert waits(newcomer)


def test_excluded_account_is_not_used() -> None:
    kit = PoolFixture(["a", "b"])
    first = kit.take("s")
    first.failed(UpstreamError("broken", upstream_status=500))
    second = kit.take("s", exclude=[first.credential.id])
    assert second.credential.id != first.credential.id
    second.failed(UpstreamError("broken", upstream_status=500))
    refusal = kit.refused("s", exclude=["a", "b"])
    assert refusal.retry_after == 8.0


def test_estimated_lock_does_not_block_the_only_account() -> None:
    for guess in (
        UpstreamError("broken", upstream_status=500),
        UpstreamCredentialError("not for this model", upstream_status=403),
    ):
        kit = PoolFixture(["a"])
        kit.take("s").failed(guess)
        assert kit.take("s").credential.id == "a"


def test_estimated_lock_applies_while_another_account_is_free() -> None:
    kit = PoolFixture(["a", "b"])
    first = kit.take("s")
    first.failed(UpstreamError("broken", upstream_status=500))
    assert {kit.take(str(n)).credential.id for n in range(9)} != {first.credential.id}
    assert first.credential.id not in {kit.take(str(n)).credential.id for n in range(9)}


def test_named_reset_time_blocks_even_the_only_account() -> None:
    kit = PoolFixture(["a"])
    kit.take("s").failed(UpstreamError("come back", upstream_status=503, retry_after=3000.0))
    assert kit.refused("s").retry_after == 3000.0


def test_all_accounts_excluded_is_an_error() -> None:
    kit = PoolFixture(["a"])
    kit.take().failed(EmptyResponseError("nothing"))
    refusal = kit.refused(exclude=["a"])
    assert isinstance(refusal, UnavailableError)
    assert refusal.code == "no_account_left"
    assert kit.take().credential.id == "a"  # an empty answer locks nobody


def test_client_errors_lock_no_account() -> None:
    kit = PoolFixture(["a"])
    kit.take().failed(InvalidRequestError("no", upstream_status=400))
    assert kit.states() == {"a": "chosen"}


def test_request_without_accounts_is_refused_at_once() -> None:
    refusal = PoolFixture([]).refused()
    assert isinstance(refusal, UnavailableError)
    assert refusal.code == "no_credential"


def test_later_upstream_model_is_used_if_earlier_ones_cannot_serve() -> None:
    kit = PoolFixture(["a"])
    kit.source.upstreams["zai"] = ["z"]
    other = UpstreamModel("zai", "glm")
    kit.take("", PRO, other).failed(quota(100.0))
    lease = kit.take("", PRO, other)
    assert (lease.credential.id, lease.upstream_model) == ("z", other)
    lease.succeeded()
    kit.clock.advance(100.0)
    assert kit.take("", PRO, other).upstream_model == PRO


def test_disabled_account_is_never_leased() -> None:
    kit = PoolFixture(["a", "b"], facts={"a": AccountFacts("ULTRA", disabled="by hand")})
    assert {kit.take(f"s{n}").credential.id for n in range(20)} == {"b"}
    kit.pool.fix("a")
    assert kit.take().credential.id == "b"


def test_disabled_account_is_noticed_while_waiting() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    lease = kit.take()
    waiting = kit.ask()
    kit.facts["a"] = AccountFacts(disabled="its owner said so")
    lease.succeeded()
    assert isinstance(error(waiting), UnavailableError)


def test_reload_serves_waiting_request_with_new_account() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    lease = kit.take("s")
    waiting = kit.ask("s")
    kit.reload(Source(google=["c"]), max_concurrency=1)
    assert got(waiting).credential.id == "c"
    lease.succeeded()
    assert waits(kit.ask("s"))


def test_revoked_account_is_locked_until_it_has_a_new_secret(tmp_path: Path) -> None:
    clock = Clock()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a"], clock=clock, state=state(tmp_path / "s.json", clock))
    kit.take().failed(UpstreamCredentialError("revoked", code="invalid_grant", upstream_status=400))
    clock.advance(10 * 86400.0)
    refusal = kit.refused("", FLASH)
    assert isinstance(refusal, UnavailableError)
    assert refusal.retry_after is None
    kit.pool.stop()
    again = PoolFixture(["a"], clock=clock, state=state(tmp_path / "s.json", clock))
    assert again.states() == {"a": "locked"}
    again.source.secrets["a"] = "a new token"
    assert again.states() == {"a": "chosen"}
    del again.source.secrets["a"]
    assert again.pool.unlock("a")
    assert again.states() == {"a": "chosen"}
    assert "secret-a" not in (tmp_path / "s.json").read_text()


def test_stop_refuses_waiting_requests_and_cancels_timers(tmp_path: Path) -> None:
    clock = Clock()
    clock.advance(BEGINNING)
    kit = PoolFixture(
        ["a"], clock=clock, state=state(tmp_path / "s.json", clock), max_concurrency=1
    )
    lease = kit.take("s")
    waiting = kit.ask("t")
    stopped = kit.pool.stop()
    assert stopped.called
    assert error(waiting).code == "stopping"
    lease.failed(quota(10.0))
    assert kit.refused().code == "stopping"
    assert clock.getDelayedCalls() == []
    assert json.loads((tmp_path / "s.json").read_text())["bindings"]


def test_lease_ends_once() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    lease = kit.take()
    lease.succeeded()
    lease.failed(quota(10.0))
    lease.release()
    assert to_builtins(kit.pool.status())["running"] == 0
    kit.take()
    assert waits(kit.ask())


def test_explain_names_a_reason_for_each_account() -> None:
    kit = PoolFixture(
        ["free", "pro", "off", "spared", "tried", "full", "out"],
        facts={
            "free": AccountFacts("FREE"),
            "pro": AccountFacts("PRO", 0.5),
            "off": AccountFacts(disabled="switched off"),
            "full": AccountFacts("ULTRA"),
            "spared": AccountFacts(protection=Protection("pro", 0.07, 0.1, BEGINNING + 60)),
        },
        max_concurrency=1,
    )
    kit.pool.fix("out")
    kit.take().failed(quota(50.0))
    kit.pool.fix("full")
    kit.take()
    kit.pool.fix(None)
    before = kit.pool.status()
    found = kit.pool.explain(LeaseRequest((PRO,), "s", frozenset({"tried"})))
    assert found[0].credential == "pro"
    assert {v.credential: v.state for v in found} == {
        "pro": "chosen",
        "free": "available",
        "off": "disabled",
        "spared": "protected",
        "tried": "excluded",
        "full": "busy",
        "out": "locked",
    }
    assert all(verdict.reason for verdict in found)
    reasons = {v.credential: v.reason for v in found}
    assert reasons["off"] == "switched off"
    assert "tier" in reasons["free"]
    assert "PRO" in reasons["pro"]
    assert reasons["spared"] == "7 % of its quota for pro is left, and 10 % is protected"
    assert {v.credential: v.free_in for v in found if v.free_in} == {"out": 50.0, "spared": 60.0}
    assert {v.label for v in found if v.credential == "pro"} == {"pr***@mail.de"}
    assert kit.pool.status() == before  # asking changes nothing


@pytest.mark.parametrize(
    ("tier", "text"),
    [("", "unknown"), ("free", "FREE"), ("Ultra", "ULTRA"), ("standard-tier", "unknown")],
)
def test_explain_names_tiers_only_if_they_are_known(tier: str, text: str) -> None:
    kit = PoolFixture(["a"], facts={"a": AccountFacts(tier)})
    (found,) = kit.pool.explain(LeaseRequest((PRO,), "s"))
    assert f": tier {text}, " in found.reason


def test_status_is_json_without_secrets() -> None:
    kit = PoolFixture(["alice", "bob"])
    kit.take("s").failed(quota(7200.0))
    kit.take("s")
    text = json.dumps(to_builtins(kit.pool.status()))
    assert "secret" not in text
    assert "alice@mail.de" not in text
    status = json.loads(text)
    (lock,) = status["locks"]
    assert (lock["model"], lock["reason"], lock["free_in"]) == (PRO.model, "quota", 7200.0)
    assert status["running"] == 1
    assert status["bindings"] == 1
    assert sum(each["running"] for each in status["accounts"]) == 1


@pytest.mark.parametrize(
    ("failure", "unbound"),
    [
        (refused(), True),
        (UpstreamCredentialError("no", upstream_status=403), True),
        (UpstreamError("pay", upstream_status=402), True),
        (NotFoundError("no model", upstream_status=404), True),
        (UpstreamError("broken", upstream_status=500), False),
        (RateLimitedError("slow", retry_after=5.0), False),
    ],
)
def test_only_account_errors_end_a_binding(failure: UpstreamError, unbound: bool) -> None:
    kit = PoolFixture(["a", "b", "c", "d"])
    lease = kit.take("s")
    own = lease.credential.id
    lease.failed(failure)
    bound = {each["id"]: each["bindings"] for each in to_builtins(kit.pool.status())["accounts"]}  # type: ignore[attr-defined]
    assert bound[own] == (not unbound)
    other = kit.take("s")
    assert other.credential.id != own
    other.succeeded()
    kit.clock.advance(600.0)
    later = kit.take("s").credential.id
    assert later == (other.credential.id if unbound else own)


def test_bound_account_serves_without_a_comparison_unless_something_speaks_against_it() -> None:
    kit = PoolFixture(("a", "b", "c"))
    first = kit.take("s").credential.id
    others = {"a", "b", "c"} - {first}
    assert {kit.take("s").credential.id for _ in range(5)} == {first}
    assert kit.take("s", exclude=[first]).credential.id in others
    kit.facts[first] = AccountFacts(disabled="off")
    moved = kit.take("s").credential.id
    assert moved in others
    kit.facts.clear()
    assert kit.take("s").credential.id == moved
    kit.pool.fix(first)
    assert kit.take("s").credential.id == first
    kit.pool.fix(None)
    kit.reload(Source(google=[first]))
    assert kit.take("s").credential.id == first


@pytest.mark.parametrize(("running", "stays"), [(3, True), (10, False)])
def test_overloaded_bound_account_is_left(running: int, stays: bool) -> None:
    kit = PoolFixture(("a", "b"), mode="Balance")
    bound = kit.take("s").credential.id
    kit.pool.fix(bound)
    for number in range(running):
        kit.take(f"other-{number}")
    kit.pool.fix(None)
    assert (kit.take("s").credential.id == bound) == stays
