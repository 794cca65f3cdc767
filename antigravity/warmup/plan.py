"""Decides which quotas need a warm-up now.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.pool_status import percent
from antigravity.config.quota_settings import ScheduledWarmupSettings
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.warmup.history import WarmupHistory

#: Quota periods longer than this are weekly; the others last for hours.
_DAY: Final = 24 * 3600.0
#: Seconds until a failed warm-up is repeated.
RETRY: Final = 1800.0


class WarmupState(Struct, frozen=True):
    """Whether one quota of an account needs a warm-up.

    ``due``: it is full, so its period has not begun.  ``stale``: its value must be fetched first.
    ``begun``: a part of it is used.  ``cooling``: the last warm-up is too recent.  ``absent``: the
    account has no such models.
    """

    name: str
    state: Literal["due", "stale", "begun", "cooling", "absent"]
    model: str = ""
    reason: str = ""


class WarmupPlan:
    """Decides by the settings of one configuration."""

    def __init__(
        self,
        settings: ScheduledWarmupSettings | None = None,
        groups: ModelGroups | None = None,
    ) -> None:
        self._settings = settings or ScheduledWarmupSettings()
        self._groups = groups or ModelGroups({})

    @property
    def interval(self) -> float:
        """Seconds between two checks of all quotas; 0 disables them."""
        return self._settings.interval if self._settings.enabled else 0.0

    @property
    def fresh_for(self) -> float:
        """Seconds for which a fetched quota is considered current."""
        return max(self._settings.interval, 60.0)

    @property
    def longest_cooldown(self) -> float:
        """Seconds after which a warm-up has no effect on the plan any more."""
        return max(self._settings.cooldown, self._settings.weekly_cooldown, RETRY)

    def names_of(self, model: str) -> tuple[str, ...]:
        """Return the monitored names that include a model; the model itself if none does."""
        watched = self._settings.monitored_models
        return tuple(n for n in watched if self._groups.covers(n, model)) or (model,)

    def states(
        self, account: str, quota: Quota | None, history: WarmupHistory, now: float
    ) -> list[WarmupState]:
        """Return the state of each monitored quota of an account."""
        return [
            self._state(account, name, quota, history, now)
            for name in self._settings.monitored_models
        ]

    def _state(
        self, account: str, name: str, quota: Quota | None, history: WarmupHistory, now: float
    ) -> WarmupState:
        members = self._members(name, quota)
        weekly = any(_is_weekly(each, quota) for _, each in members if quota is not None)
        last = history.last(account, name)
        if last is not None:
            cooldown = self._settings.weekly_cooldown if weekly else self._settings.cooldown
            wait = last.at + (min(RETRY, cooldown) if last.failed else cooldown) - now
            if wait > 0:
                did = "the last warm-up failed" if last.failed else "it was warmed up"
                reason = f"{did} {now - last.at:.0f} s ago; the next one is in {wait:.0f} s"
                return WarmupState(name, "cooling", reason=reason)
        if quota is None:
            return WarmupState(name, "stale", reason="its remaining quota is not known")
        if not members:
            return WarmupState(name, "absent", reason="the account has no such models")
        if any(each.reset is not None and each.reset <= now for _, each in members):
            return WarmupState(name, "stale", reason="it was reset since it was fetched")
        model, best = max(members, key=lambda member: member[1].fraction or 0.0)
        fraction = best.fraction or 0.0
        if fraction < 1.0:
            return WarmupState(name, "begun", reason=f"{percent(fraction)} of it is left")
        if quota.fetched < now - self.fresh_for:
            return WarmupState(name, "stale", model, "it was fetched too long ago")
        return WarmupState(name, "due", model)

    def _members(self, name: str, quota: Quota | None) -> Sequence[tuple[str, ModelQuota]]:
        if quota is None:
            return ()
        return [
            (model, each)
            for model, each in sorted(quota.models.items())
            if self._groups.covers(name, model)
        ]


def _is_weekly(each: ModelQuota, quota: Quota) -> bool:
    return each.reset is not None and each.reset - quota.fetched > _DAY
