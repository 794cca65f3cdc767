"""Whatever happens: nobody gets what must not be had, and no place is ever lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import to_builtins
from twisted.internet.defer import Deferred

from antigravity.interfaces.accounts import LeaseRequest
from antigravity.interfaces.selection import AccountFacts
from antigravity.ir.errors import (
    GatewayError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from tests.accounts.pool_fixture import FLASH, PRO, PoolFixture, got

NAMES = ("a", "b", "c", "d")
CAP = 2
MODES = ("CacheFirst", "Balance", "PerformanceFirst")


class PoolMachine(RuleBasedStateMachine):
    """Does everything that can be done to a pool, and keeps a second account of locks."""

    def __init__(self) -> None:
        super().__init__()
        self.kit = PoolFixture(NAMES, max_concurrency=CAP, queue_limit=20)
        self.leases: list[Any] = []
        self.waiting: list[tuple[Deferred[Any], LeaseRequest]] = []
        self.locks: dict[tuple[str, str], float] = {}
        self.disabled: set[str] = set()

    @rule(
        principal=st.sampled_from(["", "p", "q"]),
        session=st.sampled_from(["", "s", "t", "u"]),
        upstream_models=st.sampled_from([(PRO,), (FLASH,), (PRO, FLASH)]),
        exclude=st.sets(st.sampled_from(NAMES), max_size=3),
        max_wait=st.sampled_from([0.0, 5.0, 60.0, 1000.0]),
    )
    def ask(
        self, principal: str, session: str, upstream_models: Any, exclude: set[str], max_wait: float
    ) -> None:
        request = LeaseRequest(upstream_models, session, frozenset(exclude), principal)
        explained = [] if self.waiting else self.kit.pool.explain(request)
        deferred = self.kit.pool.lease(request, max_wait)
        self.check_explanation(explained, deferred)
        entry = (deferred, request)
        self.waiting.append(entry)

        def done(result: Any) -> None:
            self.waiting.remove(entry)
            if hasattr(result, "credential"):
                self.check(result, request)
                self.leases.append(result)
            else:
                self.check_refusal(result.value)

        deferred.addBoth(done)

    def check_explanation(self, explained: Any, deferred: Deferred[Any]) -> None:
        """Check that the lease is of the account that a comparison of all accounts chooses."""
        for each in explained:
            if each.state == "chosen":
                lease = got(deferred)
                assert lease.upstream_model == each.upstream_model
                assert lease.credential.id == each.credential

    def check(self, lease: Any, request: LeaseRequest) -> None:
        name, model = lease.credential.id, lease.upstream_model.model
        now = self.kit.clock.seconds()
        assert lease.upstream_model in request.upstream_models
        assert name not in request.exclude
        assert name not in self.disabled
        assert self.locks.get((name, model), 0.0) <= now
        assert self.locks.get((name, "*"), 0.0) <= now
        assert self.locks.get(("*", model), 0.0) <= now
        running = Counter(each.credential.id for each in self.leases)
        assert running[name] < CAP

    def check_refusal(self, error: Any) -> None:
        if isinstance(error, GatewayError):
            assert error.retry_after is None or error.retry_after > 0
            assert error.status in (429, 503)

    @precondition(lambda self: self.leases)
    @rule(which=st.integers(0, 99), how=st.sampled_from(["succeeded", "release"]))
    def end(self, which: int, how: str) -> None:
        lease = self.leases.pop(which % len(self.leases))
        getattr(lease, how)()
        getattr(lease, how)()

    @precondition(lambda self: self.leases)
    @rule(
        which=st.integers(0, 99),
        delay=st.sampled_from([0.5, 30.0, 7200.0]),
        kind=st.integers(0, 5),
    )
    def fail(self, which: int, delay: float, kind: int) -> None:
        lease = self.leases.pop(which % len(self.leases))
        name, model = lease.credential.id, lease.upstream_model.model
        error, place = [
            (QuotaExhaustedError("q", retry_after=delay), (name, model)),
            (RateLimitedError("r", retry_after=delay), (name, model)),
            (UpstreamError("e", retry_after=delay, upstream_status=500), (name, model)),
            (NotFoundError("n", retry_after=delay, upstream_status=404), (name, model)),
            (UpstreamCredentialError("c", retry_after=delay), (name, "*")),
            (
                OverloadedError("o", code="model_capacity_exhausted", retry_after=delay),
                ("*", model),
            ),
        ][kind]
        until = self.kit.clock.seconds() + delay
        self.locks[place] = max(until, self.locks.get(place, 0.0))
        lease.failed(error)

    @rule(seconds=st.sampled_from([0.25, 1.0, 29.0, 400.0, 8000.0]))
    def wait(self, seconds: float) -> None:
        self.kit.clock.advance(seconds)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 99))
    def leave(self, which: int) -> None:
        self.waiting[which % len(self.waiting)][0].cancel()

    @rule(name=st.sampled_from(NAMES), off=st.booleans())
    def switch(self, name: str, off: bool) -> None:
        (self.disabled.add if off else self.disabled.discard)(name)
        self.kit.facts[name] = AccountFacts(disabled="off" if off else "")
        self.kit.pool.serve_waiting()

    @rule(mode=st.sampled_from(MODES))
    def change_mode(self, mode: Any) -> None:
        self.kit.reload(mode=mode, max_concurrency=CAP, queue_limit=20)

    @rule(name=st.sampled_from([None, *NAMES]))
    def fix(self, name: str | None) -> None:
        self.kit.pool.fix(name)

    @invariant()
    def no_place_is_lost(self) -> None:
        status: Any = to_builtins(self.kit.pool.status())
        running = {each["id"]: each["running"] for each in status["accounts"]}
        counted = Counter(each.credential.id for each in self.leases)
        assert running == {name: counted[name] for name in NAMES}
        assert status["queue"]["waiting"] == len(self.waiting)
        if not self.waiting:
            assert self.kit.clock.getDelayedCalls() == []

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        mode = to_builtins(self.kit.pool.status())["mode"]
        for _, request in self.waiting:
            found = self.kit.pool.explain(request)
            chosen = [verdict for verdict in found if verdict.state == "chosen"]
            assert not chosen
            if mode != "CacheFirst":
                assert not [verdict for verdict in found if verdict.state == "available"]

    def teardown(self) -> None:
        self.kit.clock.advance(100_000.0)
        assert not self.waiting
        for lease in self.leases:
            lease.release()
        self.kit.pool.stop()
        assert to_builtins(self.kit.pool.status())["running"] == 0
        assert self.kit.clock.getDelayedCalls() == []


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
