"""Which quotas are due for a warm-up, from what is known of them and of earlier ones."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.accounts.model_groups import ModelGroups
from antigravity.config.quota_settings import ScheduledWarmupSettings
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.warmup.history import WarmupHistory
from antigravity.warmup.plan import RETRY, WarmupPlan, WarmupState

NOW = 1_800_000_000.0
HOUR = 3600.0
SONNET, OPUS = "claude-sonnet-4-6", "claude-opus-4-6-thinking"


class Time:
    """A clock for one test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def history(time: Time) -> WarmupHistory:
    return WarmupHistory(time)


def quota(fetched: float = NOW, reset: float | None = NOW + 5 * HOUR, **left: Any) -> Quota:
    names = {"sonnet": SONNET, "opus": OPUS, "flash": "gemini-3-flash"}
    return Quota(fetched, models={names[name]: ModelQuota(v, reset) for name, v in left.items()})


def standing(
    kept: Quota | None, history: WarmupHistory, now: float = NOW, *names: str, **settings: Any
) -> WarmupState:
    found = WarmupPlan(
        ScheduledWarmupSettings(
            enabled=True, monitored_models=list(names or ("claude",)), **settings
        )
    ).states("a", kept, history, now)
    assert len(found) == 1
    return found[0]


def test_full_quota_is_due_once_for_its_group(history: WarmupHistory) -> None:
    found = standing(quota(sonnet=1.0, opus=1.0), history)
    assert (found.state, found.model) == ("due", OPUS)


@pytest.mark.parametrize("left", [0.0, 0.5, 0.999, None])
def test_used_quota_is_not_due(history: WarmupHistory, left: float | None) -> None:
    assert standing(quota(sonnet=left), history).state == "begun"


def test_full_member_of_the_group_is_warmed_up(history: WarmupHistory) -> None:
    assert standing(quota(sonnet=1.0, opus=0.0), history).model == SONNET


def test_old_quota_is_stale(history: WarmupHistory) -> None:
    assert standing(None, history).state == "stale"
    renewed = quota(reset=NOW - 1, sonnet=0.0)
    assert standing(renewed, history).state == "stale"
    assert standing(quota(sonnet=1.0), history, NOW + 301).state == "stale"
    assert standing(quota(sonnet=1.0), history, NOW + 300).state == "due"


def test_account_without_the_models_is_skipped(history: WarmupHistory) -> None:
    assert standing(quota(flash=1.0), history).state == "absent"
    assert standing(quota(flash=1.0), history, NOW, "gemini-3-flash").state == "due"


def test_cooldown_of_four_hours(history: WarmupHistory, time: Time) -> None:
    history.record("a", ["claude"], failed=False)
    for hours, state in ((0.0, "cooling"), (3.99, "cooling"), (4.0, "due")):
        time.now = NOW + hours * HOUR
        assert standing(quota(time.now, sonnet=1.0), history, time.now).state == state
    assert standing(quota(sonnet=1.0), WarmupHistory(time)).state == "due", "of this account only"


def test_weekly_cooldown_of_six_days(history: WarmupHistory, time: Time) -> None:
    history.record("a", ["claude"], failed=False)
    day = 24 * HOUR
    for days, state in ((5.99, "cooling"), (6.0, "due")):
        time.now = NOW + days * day
        kept = quota(time.now, reset=time.now + 7 * day, sonnet=1.0)
        assert standing(kept, history, time.now).state == state
    time.now = NOW + 5 * HOUR
    hourly = quota(time.now, reset=time.now + HOUR, sonnet=1.0)
    assert standing(hourly, history, time.now).state == "due"


def test_failed_warmup_is_repeated_earlier(history: WarmupHistory, time: Time) -> None:
    history.record("a", ["claude"], failed=True)
    time.now = NOW + RETRY - 1
    found = standing(quota(time.now, sonnet=1.0), history, time.now)
    assert (found.state, "failed" in found.reason) == ("cooling", True)
    time.now += 1
    assert standing(quota(time.now, sonnet=1.0), history, time.now).state == "due"


def test_clock_set_back_does_not_delay_warmups(history: WarmupHistory, time: Time) -> None:
    history.record("a", ["claude"], failed=False)
    time.now = NOW - 24 * HOUR
    assert standing(quota(time.now, sonnet=1.0), history, time.now).state == "due"


def test_cooldowns_follow_settings(history: WarmupHistory) -> None:
    history.record("a", ["claude"], failed=False)
    assert standing(quota(sonnet=1.0), history, NOW + 60, cooldown=60.0).state == "due"


def test_warmup_of_a_model_counts_for_its_group() -> None:
    plan = WarmupPlan(ScheduledWarmupSettings(), ModelGroups({}))
    assert plan.names_of(SONNET) == ("claude",)
    assert plan.names_of("gemini-2.5-pro") == ("gemini-2.5-pro",)


def test_history_is_restored_without_invalid_entries(history: WarmupHistory, time: Time) -> None:
    history.record("a", ["claude", "flash"], failed=False)
    kept = history.snapshot()
    kept["warmups"] += [{"account": 7}, "x"]
    again = WarmupHistory(time)
    assert again.restore(kept) == 2
    assert again.last("a", "flash") == history.last("a", "flash")
    assert again.restore({"warmups": "none"}) == 0
    again.forget(NOW + 1)
    assert len(again) == 0
