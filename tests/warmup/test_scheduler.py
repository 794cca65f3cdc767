"""Warm-ups are sent when they are due, a few at a time, and end when the gateway does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock

from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.config.atomic import write_atomically
from antigravity.config.quota_settings import ScheduledWarmupSettings
from antigravity.exchange.operations.warmup import Warmup
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError, RateLimitedError, UpstreamError
from antigravity.stores.json_state import JsonState
from antigravity.warmup.plan import RETRY, WarmupPlan
from antigravity.warmup.scheduler import AT_ONCE, FIRST, PACE, SPREAD, Outcome, WarmupScheduler

BEGINNING = 1_800_000_000.0
HOUR = 3600.0
SONNET = "claude-sonnet-4-6"


class Upstream:
    """Tells a quota at once, or fails to."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.left = 1.0
        self.fails = False

    def quota(self, credential: Credential) -> Deferred[Quota]:
        self.asked.append(credential.id)
        answer: Deferred[Quota] = Deferred()
        now = self.clock.seconds()
        if self.fails:
            answer.errback(UpstreamError("no"))
        else:
            answer.callback(Quota(now, models={SONNET: ModelQuota(self.left, now + 5 * HOUR)}))
        return answer


class Setting:
    def __init__(self, *accounts: str, state: Path | None = None, clock: Clock | None = None):
        self.clock = clock or Clock()
        if clock is None:
            self.clock.advance(BEGINNING)
        self.accounts = accounts or ("a",)
        self.upstream = Upstream(self.clock)
        self.quotas = QuotaMonitor(
            self.clock, KnownQuotas(self.clock.seconds), tuple, maybeDeferred
        )
        #: Those under way, and what to tell of them.
        self.sent: list[tuple[Warmup, Deferred[None]]] = []
        self.locked = False
        store = None
        if state is not None:
            store = JsonState(state, self.clock, write=write_atomically)
        self.scheduler = WarmupScheduler(
            self.clock, self.sources, self.quotas, self.send, store, chance=lambda: 0.5
        )
        self.configure()
        self.scheduler.startService()

    def configure(self, *, enabled: bool = True, **settings: Any) -> None:
        self.scheduler.plan = WarmupPlan(
            ScheduledWarmupSettings(enabled=enabled, monitored_models=["claude"], **settings)
        )

    def sources(self) -> list[tuple[Any, Credential]]:
        return [(self.upstream, Credential(name, "up", "s")) for name in self.accounts]

    def send(self, warmup: Warmup, begun: Callable[[], None]) -> Deferred[None]:
        answer: Deferred[None] = Deferred()
        if self.locked:
            answer.errback(RateLimitedError("locked"))
            return answer
        begun()
        self.sent.append((warmup, answer))
        return answer

    def answer(self, error: GatewayError | None = None) -> None:
        """Let all answer that are under way."""
        for _, answer in self.sent:
            if not answer.called:
                answer.errback(error) if error else answer.callback(None)

    def pass_(self, seconds: float) -> None:
        for _ in range(int(seconds / PACE)):
            self.clock.advance(PACE)

    def stop(self) -> None:
        self.scheduler.stopService()
        assert self.clock.getDelayedCalls() == []

    @property
    def names(self) -> list[str]:
        return [warmup.credential for warmup, _ in self.sent]


def test_full_quota_is_warmed_up_every_four_hours() -> None:
    setting = Setting()
    setting.pass_(FIRST - PACE)
    assert setting.upstream.asked == []
    setting.pass_(PACE + SPREAD)
    assert setting.sent[0][0] == Warmup("up", "a", SONNET)
    setting.answer()
    setting.pass_(4 * HOUR - SPREAD)
    assert len(setting.sent) == 1
    assert len(setting.upstream.asked) == 1, "while it cools down nobody is asked either"
    setting.pass_(700)
    assert len(setting.sent) == 2
    setting.answer()
    setting.stop()


def test_quotas_are_checked_every_five_minutes() -> None:
    setting = Setting()
    setting.upstream.left = 0.3
    setting.pass_(FIRST + SPREAD)
    assert setting.upstream.asked == ["a"]
    setting.pass_(5 * HOUR - 300)
    assert setting.upstream.asked == ["a"], "it can't be full before it is renewed"
    setting.upstream.left = 1.0
    setting.pass_(700)
    assert setting.names == ["a"]
    setting.answer()
    setting.stop()


def test_warmup_is_not_repeated_after_restart(tmp_path: Path) -> None:
    first = Setting(state=tmp_path / "warmups.json")
    first.pass_(FIRST + SPREAD)
    first.answer()
    first.stop()
    first.clock.advance(HOUR)
    second = Setting(state=tmp_path / "warmups.json", clock=first.clock)
    second.pass_(3 * HOUR - FIRST - SPREAD - 60)
    assert second.sent == []
    second.pass_(700)
    assert second.names == ["a"]
    second.answer()
    second.stop()


def test_warmup_running_at_stop_counts_as_failed(tmp_path: Path) -> None:
    first = Setting(state=tmp_path / "warmups.json")
    first.pass_(FIRST + SPREAD)
    first.stop()
    assert first.sent[0][1].called, "it was cancelled"
    second = Setting(state=tmp_path / "warmups.json", clock=first.clock)
    second.pass_(RETRY - FIRST - SPREAD)
    assert second.sent == []
    second.pass_(700)
    assert second.names == ["a"]
    second.answer()
    second.stop()


def test_parallel_warmups_are_limited() -> None:
    setting = Setting(*"abcdefgh")
    setting.pass_(FIRST + SPREAD)
    assert setting.names == list("abc")
    assert len(setting.sent) == AT_ONCE
    setting.sent[0][1].callback(None)
    assert setting.names == list("abcd")
    setting.stop()
    assert setting.names == list("abcd"), "those that waited were not sent at the end"


def test_failed_warmup_is_repeated_and_does_not_block_others() -> None:
    setting = Setting("a", "b")
    setting.pass_(FIRST + SPREAD)
    setting.sent[0][1].errback(UpstreamError("broken"))
    setting.sent[1][1].callback(None)
    setting.pass_(RETRY - 60)
    assert setting.names == ["a", "b"]
    setting.pass_(700)
    assert setting.names == ["a", "b", "a"]
    setting.answer()
    setting.stop()


def test_unusable_account_is_tried_in_the_next_scan() -> None:
    setting = Setting()
    setting.locked = True
    setting.pass_(FIRST + SPREAD)
    assert len(setting.scheduler.history) == 0
    setting.locked = False
    setting.pass_(400)
    assert setting.names == ["a"]
    setting.answer()
    setting.stop()


def test_failing_quota_is_fetched_once_per_scan() -> None:
    setting = Setting()
    setting.upstream.fails = True
    setting.pass_(FIRST)
    assert len(setting.upstream.asked) == 1
    setting.pass_(3 * 310)
    assert len(setting.upstream.asked) == 4
    assert setting.sent == []
    setting.stop()


def test_schedule_follows_settings_at_run_time() -> None:
    setting = Setting()
    setting.configure(enabled=False)
    setting.pass_(HOUR)
    assert setting.upstream.asked == []
    setting.configure()
    setting.pass_(PACE + SPREAD)
    assert setting.names == ["a"]
    setting.answer()
    setting.stop()


def results(deferred: Deferred[list[Outcome]]) -> list[str]:
    found: list[str] = []
    deferred.addCallback(lambda outcomes: found.extend(each.state for each in outcomes))
    return found


def test_warmup_on_demand_counts_for_the_schedule() -> None:
    setting = Setting()
    asked = setting.scheduler.warm_up([Warmup("up", "a", SONNET), Warmup("up", "b", SONNET)])
    setting.sent[0][1].callback(None)
    setting.sent[1][1].errback(UpstreamError("broken"))
    assert results(asked) == ["warmed", "failed"]
    setting.pass_(HOUR)
    assert setting.names == ["a", "b"]
    setting.stop()


def test_same_warmup_is_not_sent_twice_in_parallel() -> None:
    setting = Setting()
    first = setting.scheduler.warm_up([Warmup("up", "a", SONNET)])
    second = setting.scheduler.warm_up([Warmup("up", "a", SONNET)])
    setting.answer()
    assert (results(first), results(second)) == (["warmed"], ["skipped"])
    setting.stop()


def test_stop_reports_cancelled_warmups() -> None:
    setting = Setting()
    asked = setting.scheduler.warm_up([Warmup("up", name, SONNET) for name in "abcd"])
    setting.sent[0][1].callback(None)
    setting.stop()
    assert results(asked) == ["warmed", "cancelled", "cancelled", "cancelled"]


def test_cancelling_the_request_cancels_its_warmups() -> None:
    setting = Setting()
    asked = setting.scheduler.warm_up([Warmup("up", "a", SONNET)])
    asked.addErrback(lambda failure: failure.trap(CancelledError))
    asked.cancel()
    assert setting.sent[0][1].called
    setting.stop()


@pytest.mark.parametrize("kept", [b"{", b'{"version": 1, "warmups": [7]}'])
def test_invalid_history_is_ignored(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "warmups.json").write_bytes(kept)
    setting = Setting(state=tmp_path / "warmups.json")
    setting.pass_(FIRST + SPREAD)
    assert setting.names == ["a"]
    setting.stop()
