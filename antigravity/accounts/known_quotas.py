"""The last known quotas of accounts, and which of them are protected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from antigravity.accounts.protection import QuotaProtection
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.selection import AccountFacts, Protection
from antigravity.interfaces.status import QuotaStatus
from antigravity.interfaces.upstreams import Credential

#: The facts of an account whose quota is not known.
_NO_FACTS: Final = AccountFacts()


class KnownQuotas(dict[str, Quota]):
    """Quotas by account id.  ``now`` returns seconds since 1970.

    :ivar protection: finds the protected quotas.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self.protection = QuotaProtection()

    def facts(self, credential: Credential, model: str) -> AccountFacts:
        """Return tier, remaining quota and protection of an account for a model."""
        quota = self.get(credential.id)
        if quota is None:
            return _NO_FACTS
        now = self._now()
        return AccountFacts(
            tier=quota.tier,
            remaining=quota.remaining(model, now),
            protection=self.protection.for_model(credential.id, quota, model, now),
        )

    def status(self) -> list[QuotaStatus]:
        """Return what is left (0 to 1) of the quotas of accounts, by model."""
        now = self._now()
        return [
            QuotaStatus(
                account,
                model,
                remaining,
                None if each.reset is None else round(each.reset - now, 3),
            )
            for account, quota in self.items()
            for model, each in quota.models.items()
            if (remaining := each.remaining(now)) is not None
        ]

    def protections(self, credential: Credential) -> Sequence[Protection]:
        """Return the current protections of an account."""
        quota = self.get(credential.id)
        return () if quota is None else self.protection.current(credential.id, quota, self._now())
