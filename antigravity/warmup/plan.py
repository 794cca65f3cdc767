"""Which quotas are to be warmed up now, as far as is known of them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.pool_status import percent
from antigravity.config.settings import ScheduledWarmupSettings
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.warmup.history import WarmupHistory

#: A window that is longer than this is a weekly one; the others last for hours.
_DAY: Final = 24 * 3600.0
#: A warm-up that failed is tried again after this.
RETRY: Final = 1800.0


class WarmupState(Struct, frozen=True):
    """How one quota of an account stands.

    ``due``: it is full, and nobody has begun its window.  ``stale``: it may be full, but that
    has to be asked.  ``begun``: some of it is spent.  ``cooling``: it was warmed up not long
    ago.  ``absent``: the account has no such models.
    """

    name: str
    state: Literal["due", "stale", "begun", "cooling", "absent"]
    model: str = ""
    reason: str = ""


class WarmupPlan:
    """Decides by one configuration."""

    def __init__(
        self,
        settings: ScheduledWarmupSettings | None = None,
        groups: ModelGroups | None = None,
    ) -> None:
        self._settings = settings or ScheduledWarmupSettings()
        self._groups = groups or ModelGroups({})

    @property
    def interval(self) -> float:
        """Seconds between two looks at all quotas; 0 is never."""
        return self._settings.interval if self._settings.enabled else 0.0

    @property
    def fresh_for(self) -> float:
        """For how many seconds a quota that was told is believed to be full."""
        return max(self._settings.interval, 60.0)

    @property
    def longest_cooldown(self) -> float:
        """After this many seconds a warm-up is of no interest any more."""
        return max(self._settings.cooldown, self._settings.weekly_cooldown, RETRY)

    def names_of(self, model: str) -> tuple[str, ...]:
        """Return what is watched that a model belongs to; the model itself if nothing is."""
        watched = self._settings.monitored_models
        return tuple(n for n in watched if self._groups.covers(n, model)) or (model,)

    def states(
        self, account: str, quota: Quota | None, history: WarmupHistory, now: float
    ) -> list[WarmupState]:
        """Return how everything stands that is watched of an account."""
        return [
            self._standing(account, name, quota, history, now)
            for name in self._settings.monitored_models
        ]

    def _standing(
        self, account: str, name: str, quota: Quota | None, history: WarmupHistory, now: float
    ) -> WarmupState:
        members = self._members(name, quota)
        weekly = any(_is_weekly(each, quota) for _, each in members if quota is not None)
        last = history.last(account, name)
        if last is not None:
            cooldown = self._settings.weekly_cooldown if weekly else self._settings.cooldown
            left = last.at + (min(RETRY, cooldown) if last.failed else cooldown) - now
            if left > 0:
                did = "tried in vain" if last.failed else "warmed up"
                reason = f"it was {did} {now - last.at:.0f} s ago; not again for {left:.0f} s"
                return WarmupState(name, "cooling", reason=reason)
        if quota is None:
            return WarmupState(name, "stale", reason="what is left of it is not known")
        if not members:
            return WarmupState(name, "absent", reason="the account has no such models")
        if any(each.reset is not None and each.reset <= now for _, each in members):
            return WarmupState(name, "stale", reason="it has been renewed since it was known")
        model, best = max(members, key=lambda member: member[1].fraction or 0.0)
        fraction = best.fraction or 0.0
        if fraction < 1.0:
            return WarmupState(name, "begun", reason=f"{percent(fraction)} of it is left")
        if quota.fetched < now - self.fresh_for:
            return WarmupState(name, "stale", model, "what is left of it was told too long ago")
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
