"""Quotas are fetched on a schedule, one account at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.quota_monitor import PACE, TIMEOUT, QuotaMonitor
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError, UpstreamError

INTERVAL = 900.0


class Upstream:
    """Tells a quota when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Deferred[Quota]]] = []
        self.cancelled = 0

    def quota(self, credential: Credential) -> Deferred[Quota]:
        def cancel(_: object) -> None:
            self.cancelled += 1

        waiting: Deferred[Quota] = Deferred(cancel)
        self.asked.append((credential.id, waiting))
        return waiting

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


class Setting:
    def __init__(self, home: Path | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.upstream = Upstream()
        self.names = ["a", "b"]
        self.quotas = KnownQuotas(self.clock.seconds)
        self.monitor = QuotaMonitor(
            self.clock,
            self.quotas,
            lambda: [(self.upstream, Credential(name, "up", "s")) for name in self.names],
            maybeDeferred,
            QuotaFiles(home) if home else None,
            jitter=lambda low, high: 1.0,
        )
        self.monitor.interval = INTERVAL

    def remaining(self, account: str, model: str) -> float | None:
        return self.quotas.facts(Credential(account, "up", "s"), model).remaining

    def tier(self, account: str) -> str:
        return self.quotas.facts(Credential(account, "up", "s"), "m").tier

    def answer(self, **fields: Any) -> None:
        values = {"fetched": self.clock.seconds(), "models": {"m": ModelQuota(0.5)}, **fields}
        self.upstream.asked[-1][1].callback(Quota(**values))

    def start(self) -> None:
        self.monitor.startService()
        self.clock.advance(0)

    def stop(self) -> None:
        self.monitor.stopService()
        assert self.clock.getDelayedCalls() == []


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_quotas_are_fetched_one_at_a_time_once_per_interval(setting: Setting) -> None:
    setting.start()
    assert setting.upstream.names == ["a"]
    setting.clock.advance(PACE)
    assert setting.upstream.names == ["a"], "the first answer is still waited for"
    setting.answer(tier="PRO")
    assert setting.upstream.names == ["a", "b"]
    setting.answer()
    assert (setting.tier("a"), setting.remaining("a", "m")) == ("PRO", 0.5)
    for _ in range(int(INTERVAL / PACE) - 2):
        setting.clock.advance(PACE)
    assert len(setting.upstream.asked) == 2
    setting.clock.pump([PACE] * 2)
    assert setting.upstream.names == ["a", "b", "a"]
    setting.stop()


def test_unknown_quota_has_no_value(setting: Setting) -> None:
    setting.start()
    now = setting.clock.seconds()
    setting.answer(
        models={"gone": ModelQuota(0.0, now + 60), "open": ModelQuota(None, now + 60)},
        renamed={"old": "gone"},
    )
    models = ("gone", "old", "open", "x")
    assert [setting.remaining("a", model) for model in models] == [0.0, 0.0, None, None]
    assert (setting.remaining("c", "m"), setting.tier("c")) == (None, "")
    facts = setting.quotas.facts(Credential("a", "up", "s"), "gone")
    assert (facts.remaining, facts.tier, facts.disabled) == (0.0, "", "")
    setting.clock.advance(60)
    assert setting.remaining("a", "gone") is None, "it was reset in the meantime"
    setting.stop()


def test_failed_fetch_does_not_stop_others(setting: Setting) -> None:
    setting.start()
    setting.upstream.asked[0][1].errback(UpstreamError("no"))
    assert setting.upstream.names == ["a", "b"]
    setting.clock.advance(TIMEOUT)
    assert setting.upstream.cancelled == 1, "an answer that never comes"
    setting.clock.advance(PACE)
    assert len(setting.upstream.asked) == 2, "it is not asked again at once"
    setting.stop()


def test_unexpected_error_does_not_stop_the_service(setting: Setting) -> None:
    setting.start()
    setting.upstream.asked[0][1].errback(ValueError("a mistake"))
    setting.clock.advance(PACE)
    assert setting.upstream.names == ["a", "b"]
    setting.stop()


@pytest.mark.parametrize("error", [None, GatewayError("cancelled")])
def test_stop_cancels_running_fetch(setting: Setting, error: Exception | None) -> None:
    setting.start()
    waiting = setting.upstream.asked[0][1]
    if error is not None:
        waiting._canceller = lambda gone: gone.errback(error)
    stopped = maybeDeferred(setting.monitor.stopService)
    assert stopped.called
    assert setting.upstream.names == ["a"]
    assert setting.clock.getDelayedCalls() == []


def test_interval_of_zero_disables_fetches(setting: Setting) -> None:
    setting.monitor.interval = 0
    setting.start()
    setting.clock.pump([PACE] * 3)
    assert setting.upstream.asked == []
    setting.monitor.interval = INTERVAL
    setting.clock.advance(PACE)
    assert setting.upstream.names == ["a"]
    setting.stop()


def test_quotas_are_stored_over_a_restart(tmp_path: Path) -> None:
    first = Setting(tmp_path)
    first.start()
    quota = {"m": ModelQuota(0.25, first.clock.seconds() + 9999)}
    first.answer(tier="ULTRA", plan="Ultra", models=quota)
    first.answer()
    first.stop()
    (tmp_path / "state" / "quota" / "broken.json").write_text("{")
    second = Setting(tmp_path)
    second.clock.advance(INTERVAL / 2)
    second.names = ["a", "c"]
    second.start()
    assert second.remaining("a", "m") == 0.25
    assert second.tier("a") == "ULTRA"
    assert second.upstream.names == ["c"], "what is known of the other is not too old"
    second.answer()
    second.stop()
    assert sorted(QuotaFiles(tmp_path).load()) == ["a", "c"]


def test_refresh_fetches_at_once(setting: Setting) -> None:
    asked = setting.monitor.refresh(setting.upstream, Credential("z", "up", "s"))
    setting.answer()
    assert asked.called
    assert setting.remaining("z", "m") == 0.5
    failing = setting.monitor.refresh(setting.upstream, Credential("z", "up", "s"))
    setting.upstream.asked[-1][1].errback(UpstreamError("no"))
    failures: list[Any] = []
    failing.addErrback(failures.append)
    assert failures[0].check(UpstreamError)
    assert setting.remaining("z", "m") == 0.5
    assert setting.clock.getDelayedCalls() == []
