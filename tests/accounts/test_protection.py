"""Quotas are protected below a threshold, for their models only, until they reset."""

from __future__ import annotations

import math
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.pool import AccountPool
from antigravity.accounts.protection import QuotaProtection
from antigravity.accounts.quota_monitor import CLOSE_INTERVAL, PACE, QuotaMonitor
from antigravity.accounts.selection import POLICIES
from antigravity.config.quota_settings import QuotaProtectionSettings
from antigravity.config.settings import SchedulingSettings
from antigravity.interfaces.accounts import LeaseRequest, UpstreamModel
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.interfaces.selection import AccountFacts, Protection
from antigravity.interfaces.status import ProtectedQuota
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import QuotaExhaustedError, UnavailableError, UpstreamError
from tests.accounts.pool_fixture import BEGINNING, PoolFixture, Source, error, got, waits

SONNET, OPUS, FLASH = "claude-sonnet-4-6", "claude-opus-4-6-thinking", "gemini-3-flash"
NOW = BEGINNING
RESET = NOW + 3600.0


def quota(fetched: float = NOW, **models: Any) -> Quota:
    names = {"sonnet": SONNET, "opus": OPUS, "flash": FLASH}
    kept = {names.get(name, name): value for name, value in models.items()}
    return Quota(fetched, models={k: ModelQuota(v, RESET) for k, v in kept.items()})


def protection(**settings: Any) -> QuotaProtection:
    return QuotaProtection(QuotaProtectionSettings(enabled=True, **settings))


# Groups


@pytest.mark.parametrize(
    ("model", "group"),
    [
        (SONNET, "claude"),
        (OPUS, "claude"),
        ("gemini-3-pro-low", "gemini-3-pro-high"),
        ("gemini-3.1-pro-preview", "gemini-3-pro-high"),
        ("gemini-pro-agent", "gemini-3-pro-high"),
        ("gemini-3.5-flash-low", "gemini-3-flash"),
        ("gemini-3.1-flash-image", "gemini-3.1-flash-image"),
        ("gemini-3-pro-image", "gemini-3-pro-image"),
        ("gemini-2.5-flash", ""),
        ("gpt-5", ""),
    ],
)
def test_model_belongs_to_most_specific_group(model: str, group: str) -> None:
    assert ModelGroups({}).group_of(model) == group


def test_configured_groups_extend_and_replace_shipped_ones() -> None:
    groups = ModelGroups({"claude": ["claude-*", "gpt-oss-*"], "old": ["gemini-2.5-*"]})
    assert groups.covers("claude", "gpt-oss-120b")
    assert groups.covers("old", "gemini-2.5-pro")
    assert groups.covers("gemini-3-flash", FLASH)
    assert not groups.covers("gemini-3-flash", "gemini-3-flash-image")


def test_name_without_group_is_a_pattern() -> None:
    groups = ModelGroups({})
    assert groups.covers("claude-opus-*", OPUS)
    assert not groups.covers("claude-opus-*", SONNET)
    assert groups.covers(SONNET, SONNET)


# What is protected


@pytest.mark.parametrize(
    ("left", "spared"), [(0.11, False), (0.1, True), (0.07, True), (0.0, True)]
)
def test_account_at_or_below_threshold_is_protected(left: float, spared: bool) -> None:
    found = protection().for_model("a", quota(sonnet=left), SONNET, NOW)
    assert found == (Protection("claude", left, 0.1, RESET) if spared else None)


def test_only_models_of_the_group_are_protected() -> None:
    kept = quota(sonnet=0.05, flash=0.9)
    assert protection().for_model("a", kept, OPUS, NOW), "it draws on the same quota"
    assert protection().for_model("a", kept, FLASH, NOW) is None


def test_highest_member_counts_for_a_group() -> None:
    assert protection().for_model("a", quota(sonnet=0.0, opus=0.8), SONNET, NOW) is None


def test_unmonitored_or_unknown_quota_is_not_protected() -> None:
    assert protection(monitored_models=[FLASH]).current("a", quota(sonnet=0.0), NOW) == []
    unknown = Quota(NOW, models={SONNET: ModelQuota(None, RESET)})
    assert protection().current("a", unknown, NOW) == []
    off = QuotaProtection(QuotaProtectionSettings())
    assert off.current("a", quota(sonnet=0.0), NOW) == []


def test_old_model_name_counts() -> None:
    kept = Quota(NOW, models={"new": ModelQuota(0.0, RESET)}, renamed={"old": "new"})
    assert protection(monitored_models=["new"]).for_model("a", kept, "old", NOW)


def test_protection_ends_at_reset_or_with_new_quota() -> None:
    protects = protection()
    low = quota(sonnet=0.05)
    assert protects.for_model("a", low, SONNET, RESET - 1)
    assert protects.for_model("a", low, SONNET, RESET) is None
    assert protects.for_model("a", quota(sonnet=0.5), SONNET, NOW) is None


# What the pool makes of it


class Upstream:
    """Tells a quota when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Deferred[Quota]]] = []
        self.clock = Clock()

    def quota(self, credential: Credential) -> Deferred[Quota]:
        waiting: Deferred[Quota] = Deferred()
        self.asked.append((self.clock.seconds(), waiting))
        return waiting


class Protected:
    """Two accounts in a pool whose quotas are watched."""

    def __init__(self, *accounts: str, **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(BEGINNING)
        self.upstream = Upstream()
        self.upstream.clock = self.clock
        self.source = Source(google=list(accounts))
        quotas = KnownQuotas(self.clock.seconds)
        quotas.protection = protection(**settings)
        self.pool = AccountPool(
            self.clock,
            self.source,
            SchedulingSettings(),
            facts=quotas.facts,
            protections=quotas.protections,
            policy=POLICIES["Balance"],
        )
        self.monitor = QuotaMonitor(
            self.clock,
            quotas,
            lambda: [(self.upstream, each) for each in self.source.credentials("google")],
            maybeDeferred,
            jitter=lambda low, high: 1.0,
            last_used=self.pool.last_used,
            on_change=self.pool.serve_waiting,
        )
        self.monitor.interval = 900.0
        self.pool.start()

    def tell(self, account: str, **models: Any) -> None:
        """Let the upstream tell a quota."""
        credential = next(c for c in self.source.credentials("google") if c.id == account)
        self.monitor.refresh(self.upstream, credential)
        self.upstream.asked[-1][1].callback(quota(self.clock.seconds(), **models))

    def ask(self, model: str, max_wait: float = 0.0) -> Any:
        asked = self.pool.lease(LeaseRequest((UpstreamModel("google", model),)), max_wait)
        asked.addErrback(lambda failure: failure)
        return asked

    def who(self, model: str) -> str:
        lease = got(self.ask(model))
        lease.release()
        return str(lease.credential.id)


def test_other_account_serves_protected_models_only() -> None:
    kit = Protected("low", "high")
    kit.tell("low", sonnet=0.08, flash=0.9)
    kit.tell("high", sonnet=0.5, flash=0.2)
    assert {kit.who(SONNET) for _ in range(5)} == {"high"}
    assert kit.who(OPUS) == "high"
    kit.clock.advance(61)  # the account that served last is not preferred any more
    assert kit.who(FLASH) == "low", "other models go where the most is left"


def test_error_names_first_reset_if_all_are_protected() -> None:
    kit = Protected("a", "b")
    kit.tell("a", sonnet=0.08)
    kit.clock.advance(100)
    kit.tell("b", sonnet=0.02)
    refusal = error(kit.ask(SONNET, max_wait=60.0))
    assert isinstance(refusal, QuotaExhaustedError)
    assert (refusal.status, refusal.code) == (429, "quota_protected")
    assert refusal.retry_after == RESET - NOW - 100
    assert "3500 s" in refusal.message
    kit.clock.advance(refusal.retry_after)
    assert kit.who(SONNET) in ("a", "b")


def test_protection_without_reset_time_is_unavailable() -> None:
    kit = PoolFixture(
        ["a"], facts={"a": AccountFacts(protection=Protection("m", 0.0, 0.1, math.inf))}
    )
    refusal = kit.refused()
    assert isinstance(refusal, UnavailableError)
    assert (refusal.code, refusal.retry_after) == ("quota_protected", None)


def test_waiting_request_is_served_when_quota_resets() -> None:
    kit = Protected("a")
    kit.tell("a", sonnet=0.08)
    kit.clock.advance(RESET - NOW - 50)
    waiting = kit.ask(SONNET, max_wait=60.0)
    assert waits(waiting), "it is renewed before max_wait ends"
    kit.tell("a", sonnet=1.0)
    got(waiting).release()
    kit.tell("a", sonnet=0.0)
    waiting = kit.ask(SONNET, max_wait=60.0)
    kit.clock.advance(50)
    got(waiting).release()


def test_longer_upstream_limit_is_reported() -> None:
    kit = Protected("a")
    lease = got(kit.ask(SONNET))
    kit.tell("a", sonnet=0.05)
    lease.failed(QuotaExhaustedError("no", retry_after=7200.0))
    refusal = error(kit.ask(SONNET))
    assert (refusal.code, refusal.retry_after) == ("quota_exhausted", 7200.0)


def test_estimated_lock_does_not_open_protected_account() -> None:
    kit = Protected("a")
    lease = got(kit.ask(SONNET))
    kit.clock.advance(RESET - NOW - 4)
    lease.failed(UpstreamError("broken", upstream_status=500))
    kit.tell("a", sonnet=0.05)
    refusal = error(kit.ask(SONNET))
    assert refusal.retry_after is not None, "the lock lasts for four seconds more than the quota"
    (verdict,) = kit.pool.explain(LeaseRequest((UpstreamModel("google", SONNET),)))
    assert verdict.state == "locked"


def test_status_and_explain_show_percentages() -> None:
    kit = Protected("a", "b")
    kit.tell("a", sonnet=0.0996, flash=0.5)
    kit.tell("b", sonnet=0.9)
    (told,) = kit.pool.status().protected
    assert told == ProtectedQuota("google", "a", "claude", 0.0996, 0.1, 3600.0)
    found = {
        v.credential: v for v in kit.pool.explain(LeaseRequest((UpstreamModel("google", OPUS),)))
    }
    assert (found["a"].state, found["a"].free_in) == ("protected", 3600.0)
    assert found["a"].reason == "9.96 % of its quota for claude is left, and 10 % is protected"
    assert found["b"].state == "chosen"


def test_session_leaves_protected_account() -> None:
    kit = Protected("a", "b")
    request = LeaseRequest((UpstreamModel("google", SONNET),), "s")
    first = got(kit.pool.lease(request, 0.0))
    first.succeeded()
    own = first.credential.id
    kit.tell(own, sonnet=0.03)
    second = got(kit.pool.lease(request, 0.0))
    second.succeeded()
    assert second.credential.id != own
    kit.clock.advance(RESET - NOW)
    assert got(kit.pool.lease(request, 0.0)).credential.id == second.credential.id


# Staying true


def test_quota_close_to_threshold_is_fetched_more_often() -> None:
    kit = Protected("a", "b")
    kit.monitor.startService()
    kit.clock.advance(0)
    for left in (0.2, 0.9):
        kit.upstream.asked[-1][1].callback(quota(kit.clock.seconds(), sonnet=left))
    for _ in range(2):
        for account in ("a", "b"):
            got(
                kit.pool.lease(
                    LeaseRequest((UpstreamModel("google", SONNET),), exclude=frozenset({account})),
                    0,
                )
            )
        kit.clock.advance(1)
    kit.clock.pump([PACE] * int(CLOSE_INTERVAL / PACE + 1))
    assert len(kit.upstream.asked) == 3, "a, which has little left, and not b"
    kit.upstream.asked[-1][1].callback(quota(kit.clock.seconds(), sonnet=0.1))
    assert kit.who(SONNET) == "b"
    kit.clock.pump([PACE] * int(2 * CLOSE_INTERVAL / PACE))
    assert len(kit.upstream.asked) == 3, "now it is spared, and not in use"
    kit.monitor.stopService()
