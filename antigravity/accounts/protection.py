"""Quota protection: a reserve of each account's quota that the gateway does not use.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from antigravity.accounts.model_groups import ModelGroups
from antigravity.config.quota_settings import QuotaProtectionSettings
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.selection import Protection

#: A quota less than this fraction above the threshold will soon reach it.
_CLOSE: Final = 0.2


class QuotaProtection:
    """Finds protected quotas by the settings of one configuration.

    The models of a group draw on one quota, but an upstream may report a lower value for some of
    them: the remaining quota of a group is that of the member with the highest value.
    """

    def __init__(
        self,
        settings: QuotaProtectionSettings | None = None,
        groups: ModelGroups | None = None,
    ) -> None:
        settings = settings or QuotaProtectionSettings()
        self._names: Sequence[str] = settings.monitored_models if settings.enabled else ()
        self._threshold = settings.threshold_percentage / 100
        self._groups = groups or ModelGroups({})
        #: The protections of each account, and the quota that they were found for.
        self._found: dict[str, tuple[Quota, tuple[Protection, ...]]] = {}

    def current(self, account: str, quota: Quota, now: float) -> list[Protection]:
        """Return the current protections of an account."""
        return [each for each in self._protections(account, quota) if each.until > now]

    def for_model(self, account: str, quota: Quota, model: str, now: float) -> Protection | None:
        """Return the longest protection that applies to a model, if there is one."""
        names = (model, quota.renamed.get(model, model))
        found = [
            each
            for each in self.current(account, quota, now)
            if any(self._groups.covers(each.name, name) for name in names)
        ]
        return max(found, key=lambda each: each.until, default=None)

    def is_close(self, quota: Quota, now: float) -> bool:
        """Return whether a quota is close to the threshold, and has not reached it."""
        limit = self._threshold + _CLOSE
        return any(
            self._threshold < remaining <= limit and reset > now
            for _, remaining, reset in self._monitored(quota)
        )

    def keep_only(self, accounts: set[str]) -> None:
        """Remove the protections of accounts that no longer exist."""
        self._found = {name: known for name, known in self._found.items() if name in accounts}

    def _protections(self, account: str, quota: Quota) -> tuple[Protection, ...]:
        known = self._found.get(account)
        if known is None or known[0] is not quota:
            protections = tuple(
                Protection(name, remaining, self._threshold, reset)
                for name, remaining, reset in self._monitored(quota)
                if remaining <= self._threshold
            )
            known = self._found[account] = (quota, protections)
        return known[1]

    def _monitored(self, quota: Quota) -> Iterator[tuple[str, float, float]]:
        """Yield the name, remaining fraction and reset time of each monitored quota."""
        for name in self._names:
            found = [
                (each.fraction, math.inf if each.reset is None else each.reset)
                for model, each in quota.models.items()
                if each.fraction is not None and self._groups.covers(name, model)
            ]
            if found:
                yield name, *max(found)
