"""Pools that share locks and disabled accounts: what one learns spares the others."""

from __future__ import annotations

from twisted.internet.task import Clock

from antigravity.accounts.candidate_finder import secret_stamp
from antigravity.interfaces.accounts import LeaseRequest, UpstreamModel
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import (
    GatewayError,
    OverloadedError,
    QuotaExhaustedError,
    UpstreamCredentialError,
    UpstreamError,
)
from tests.accounts.pool_fixture import BEGINNING, FLASH, PRO, PoolFixture, Source, got, waits
from tests.accounts.shared_pool_fixture import SharedPoolCase
from tests.support.shared_memory import SharedMemory

DAY = 86_400.0


def quota(delay: float | None = None) -> GatewayError:
    return QuotaExhaustedError("used up", retry_after=delay)


def locked(kit: PoolFixture, model: UpstreamModel = PRO) -> str:
    """Return the locked accounts of a pool, in order."""
    return "".join(name for name, state in kit.states("", model).items() if state == "locked")


class SharedLockTests(SharedPoolCase):
    def test_lock_is_seen_by_others_until_it_ends(self) -> None:
        one, other = self.pool(), self.pool()
        one.take().failed(quota(100))
        self.settle()
        account = locked(one)
        self.assertEqual(len(account), 1)
        self.assertEqual([locked(other), locked(other, FLASH)], [account, ""])
        self.assertEqual(locked(self.pool()), account)
        self.settle(100.1)
        self.assertEqual(locked(other), "")

    def test_lock_of_account_and_of_model_are_seen(self) -> None:
        one, other = self.pool("a"), self.pool("a", "b")
        one.take().failed(UpstreamCredentialError("wrong", upstream_status=401))
        self.settle()
        self.assertEqual([locked(other), locked(other, FLASH)], ["a", "a"])
        one.take().failed(OverloadedError("full", code="model_capacity_exhausted"))
        self.settle()
        self.assertEqual([locked(other), locked(other, FLASH)], ["ab", "a"])

    def test_accounts_of_others_are_ignored(self) -> None:
        one, other = self.pool("a"), self.pool("b")
        one.take().failed(quota(100))
        self.settle()
        self.assertEqual(locked(other), "")
        other.reload(Source(google=["a", "b"]))
        assert other.pool.shared_accounts is not None
        self.successResultOf(other.pool.shared_accounts.refresh())
        self.assertEqual(locked(other), "a")

    def test_account_that_one_gateway_removes_stays_locked_at_others(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.take().failed(quota(100))
        self.settle()
        one.reload(Source(google=[]))
        self.settle()
        self.assertEqual([locked(other), locked(self.pool("a"))], ["a", "a"])

    def test_operator_unlocks_for_all(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.take().failed(quota(DAY))
        self.settle()
        self.assertEqual(other.pool.unlock("a"), 1)
        self.settle()
        self.assertEqual([locked(one), locked(self.pool("a"))], ["", ""])

    def test_unlock_of_one_model_leaves_others(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.take("", PRO).failed(quota(DAY))
        one.take("", FLASH).failed(quota(DAY))
        self.settle()
        other.pool.unlock("a", PRO.model)
        self.settle()
        self.assertEqual([locked(one, PRO), locked(one, FLASH)], ["", "a"])

    def test_quota_and_success_unlock_for_all(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.take().failed(quota(DAY))
        self.settle(1)
        now = self.clock.seconds()
        other.pool.apply_quota("a", Quota(now, models={PRO.model: ModelQuota(0.5, now + DAY)}), now)
        self.settle()
        self.assertEqual(locked(one), "")
        one.take().failed(UpstreamError("broken"))
        self.settle(1)
        self.assertEqual(len(list(other.pool._locks.active_locks())), 1)
        other.take().succeeded()
        self.settle()
        self.assertEqual(list(one.pool._locks.active_locks()), [])

    def test_waiting_request_is_served_once_another_gateway_unlocks(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.take().failed(quota(30))
        self.settle()
        waiting = one.ask()
        self.assertTrue(waits(waiting))
        other.pool.unlock("a")
        self.settle()
        self.assertEqual(got(waiting).credential.id, "a")

    def test_failures_in_a_row_count_together(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        for kit, length in ((one, 60), (other, 300), (one, 1800)):
            kit.take().failed(quota())
            self.settle(length - 1)
            for each in (one, other):
                self.assertEqual(locked(each), "a")
            self.settle(2)
            for each in (one, other):
                self.assertEqual(locked(each), "")

    def test_one_gateway_probes(self) -> None:
        pools = [self.pool("a", probe_interval=1800.0) for _ in range(2)]
        for each in pools:
            each.reload(probe_interval=1800.0)
        pools[0].take().failed(quota(5 * DAY))
        self.settle(1800)
        lease = pools[0].take()
        self.assertTrue(lease.is_probe)
        self.settle(1)
        self.assertIsInstance(pools[1].refused(max_wait=0), GatewayError)
        lease.succeeded()
        self.settle()
        self.assertEqual(locked(pools[1]), "")

    def test_sessions_leave_account_whose_key_is_refused_elsewhere(self) -> None:
        one, other = self.pool(), self.pool()
        account = other.take("s").credential.id
        self.settle()
        one.pool.fix(account)
        one.take().failed(UpstreamCredentialError("wrong", upstream_status=401))
        self.settle()
        self.assertNotIn(account, other.pool._bindings.counts())

    def test_restart_does_not_unlock_for_others(self) -> None:
        one = self.pool("a")
        one.take().failed(quota(DAY))
        self.settle()
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        again = PoolFixture(("a",), clock=self.clock, shared=state)
        again.pool._lock_releaser.restore({"a": "another mark"})
        again.reload()
        self.settle()
        self.assertEqual(locked(one), "a")

    def test_locks_are_learnt_again_after_loss(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        self.shared.is_away = True
        one.take().failed(quota(DAY))
        self.settle()
        self.assertEqual(locked(other), "")
        self.shared.is_away = False
        for _ in range(10):
            self.settle(1)
        self.assertEqual(locked(other), "a")


class SharedSessionTests(SharedPoolCase):
    def account(self, kit: PoolFixture, session: str, *models: UpstreamModel) -> str:
        """Return the account that serves a session."""
        lease = kit.take(session, *models)
        lease.succeeded()
        self.settle()
        return str(lease.credential.id)

    def test_gateways_choose_same_account_without_a_message(self) -> None:
        one, other = self.pool(*"abcdef"), self.pool(*"abcdef")
        before = len(self.shared.calls)
        sessions = [f"session {number}" for number in range(20)]
        chosen = [self.account(one, each) for each in sessions]
        self.assertEqual([self.account(other, each) for each in sessions], chosen)
        self.assertEqual(len(self.shared.calls), before)

    def test_all_gateways_follow_a_move(self) -> None:
        one, other = self.pool(*"abcdef"), self.pool(*"abcdef")
        first = self.account(one, "s")
        self.assertEqual(self.account(other, "s"), first)
        lease = one.take("s")
        lease.failed(quota(DAY))
        self.settle()
        second = self.account(one, "s")
        self.assertNotEqual(second, first)
        third = self.pool(*"abcdef")
        for each in (one, other, third):
            each.pool.unlock(first)
            self.settle()
            self.assertEqual(self.account(each, "s"), second)

    def test_gateways_follow_session_that_began_elsewhere(self) -> None:
        one, other = self.pool(*"abc"), self.pool(*"abc")
        first = self.account(one, "s")
        one.pool.clear_bindings()
        one.take("", PRO, exclude=set("abc") - {first}).failed(quota(60))
        self.settle()
        second = self.account(one, "s")
        self.assertNotEqual(second, first)
        self.settle(61)
        self.assertEqual(self.account(other, "s"), second)

    def test_session_that_returns_is_followed(self) -> None:
        one, other = self.pool(*"abc"), self.pool(*"abc")
        first = self.account(one, "s")
        one.take("s").failed(quota(100))
        self.settle()
        second = self.account(one, "s")
        self.settle(101)
        one.take("s").failed(quota(100))
        self.settle()
        while (third := self.account(one, "s")) != first:
            self.settle(1)
            one.take("s").failed(quota(100))
            self.settle()
            for each in "abc":
                if each != third:
                    one.pool.unlock(each)
        self.assertEqual(self.account(other, "s"), first)
        self.assertNotEqual(second, first)

    def test_session_of_several_upstreams_is_bound_once(self) -> None:
        source = Source(google=["a"], other=["b"])
        models = (PRO, UpstreamModel("other", "model"))
        pools = [self.pool() for _ in range(2)]
        for each in pools:
            each.reload(source)
        one, other = pools
        request = LeaseRequest(models, "s", ranks=(0, 0))
        first = got(one.pool.lease(request, 0))
        first.failed(quota(DAY))
        self.settle()
        second = got(one.pool.lease(request, 0)).credential.id
        self.settle()
        bound = other.pool._bindings.accounts("s", models)
        self.assertEqual([account for _, account in bound], [second])

    def test_moves_at_the_same_time_agree(self) -> None:
        pools = [self.pool(*"abcdefgh") for _ in range(2)]
        first = self.account(pools[0], "s")
        self.account(pools[1], "s")
        pools[0].take("s").failed(quota(DAY))
        self.settle()
        for number, each in enumerate(pools):
            each.take("s", exclude="abcd" if number else "efgh")
        found = [each.pool._bindings.get("s", PRO.upstream, PRO.model) for each in pools]
        self.assertNotEqual(found[0], found[1])
        self.settle()
        found = [each.pool._bindings.get("s", PRO.upstream, PRO.model) for each in pools]
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], first)

    def test_account_that_is_not_here_binds_nothing(self) -> None:
        one, other = self.pool(*"ab"), self.pool("a")
        one.take("", exclude={"b"}).failed(quota(60))
        self.settle()
        for number in range(8):
            self.account(one, f"session {number}")
        self.settle(61)
        self.assertEqual({self.account(other, f"session {n}") for n in range(8)}, {"a"})


class SharedDisablingTests(SharedPoolCase):
    def credential(self, kit: PoolFixture) -> Credential:
        (found,) = kit.source.credentials("google")
        return found

    def test_account_is_disabled_for_all(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        one.pool.account_disabled(self.credential(one), "revoked")
        self.settle()
        expected = [(self.credential(one), "revoked")]
        self.assertEqual(
            [self.disabled[other], self.disabled[self.pool("a")]], [expected, expected]
        )
        self.assertEqual(self.disabled[one], [])

    def test_account_with_other_secret_stays(self) -> None:
        one, other = self.pool("a"), self.pool("a")
        other.source.secrets["a"] = "new"
        self.assertNotEqual(
            secret_stamp(self.credential(one)), secret_stamp(self.credential(other))
        )
        one.pool.account_disabled(self.credential(one), "revoked")
        self.settle()
        self.assertEqual(self.disabled[other], [])

    def test_account_that_is_enabled_again_stays(self) -> None:
        one = self.pool("a")
        one.pool.account_disabled(self.credential(one), "revoked")
        self.settle()
        one.source.marks["a"] = "enabled"
        one.reload()
        self.settle()
        self.assertEqual(self.disabled[self.pool("a")], [])


def test_candidate_is_not_asked_elsewhere() -> None:
    # A lease needs no message: this would be a round trip for each request.
    clock = Clock()
    clock.advance(BEGINNING)
    shared = SharedMemory(clock)
    state = shared.gateway()
    kit = PoolFixture(("a", "b"), clock=clock, shared=state)
    assert kit.pool.shared_accounts is not None
    kit.pool.start_sharing()
    before = len(shared.calls)
    for number in range(10):
        kit.take(f"session {number}").succeeded()
    clock.advance(0)
    assert len(shared.calls) == before
