"""Which quotas are kept back: a rest of each that the gateway does not spend.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from antigravity.accounts.model_groups import ModelGroups
from antigravity.config.settings import QuotaProtectionSettings
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.selection import Protection

#: A quota this little above the threshold (as a fraction of all) will soon reach it.
_CLOSE: Final = 0.2


class QuotaProtection:
    """Decides by one configuration.

    Models of a group draw on one quota, though an upstream may tell less of some of them: what
    is left of a group is what is left of the member that has the most.
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
        #: What is protected by each account's quota, for as long as that is the one known.
        self._found: dict[str, tuple[Quota, tuple[Protection, ...]]] = {}

    def current(self, account: str, quota: Quota, now: float) -> list[Protection]:
        """Return everything that is protected of an account now."""
        return [each for each in self._of(account, quota) if each.until > now]

    def of_model(self, account: str, quota: Quota, model: str, now: float) -> Protection | None:
        """Return what protects a model, the longest protection if there are several."""
        names = (model, quota.renamed.get(model, model))
        found = [
            each
            for each in self.current(account, quota, now)
            if any(self._groups.covers(each.name, name) for name in names)
        ]
        return max(found, key=lambda each: each.until, default=None)

    def is_close(self, quota: Quota, now: float) -> bool:
        """Return whether something will soon have to be protected, and is not yet."""
        limit = self._threshold + _CLOSE
        return any(
            self._threshold < left <= limit and reset > now for _, left, reset in self._rests(quota)
        )

    def keep_only(self, accounts: set[str]) -> None:
        """Forget what was found of accounts that are no more."""
        self._found = {name: known for name, known in self._found.items() if name in accounts}

    def _of(self, account: str, quota: Quota) -> tuple[Protection, ...]:
        known = self._found.get(account)
        if known is None or known[0] is not quota:
            protections = tuple(
                Protection(name, left, self._threshold, reset)
                for name, left, reset in self._rests(quota)
                if left <= self._threshold
            )
            known = self._found[account] = (quota, protections)
        return known[1]

    def _rests(self, quota: Quota) -> Iterator[tuple[str, float, float]]:
        """Yield each name that is watched, what is left of it, and until when that is true."""
        for name in self._names:
            rests = [
                (each.fraction, math.inf if each.reset is None else each.reset)
                for model, each in quota.models.items()
                if each.fraction is not None and self._groups.covers(name, model)
            ]
            if rests:
                yield name, *max(rests)
