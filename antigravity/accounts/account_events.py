"""Changes of accounts, for observers.  Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from antigravity.accounts.locks import Lock
from antigravity.interfaces.accounts import AccountChange, UpstreamModel
from antigravity.interfaces.selection import Protection
from antigravity.interfaces.upstreams import Credential


class AccountEvents:
    """Compares the accounts with their last state, and notifies observers of each change once.

    :param protections: returns the protected quotas of an account.
    :ivar notify: called with each change.
    """

    def __init__(
        self, protections: Callable[[Credential], Sequence[Protection]] = lambda credential: ()
    ) -> None:
        self.notify: Callable[[AccountChange], None] = lambda change: None
        self._protections = protections
        #: The upstream of each usable account; ``None`` before the first update.
        self._present: dict[str, str] | None = None
        self._protected: dict[tuple[str, str], Protection] = {}

    def update(self, credentials: Iterable[Credential]) -> None:
        """Notify of accounts and protections that were added or removed since the last update."""
        present, protected = {}, {}
        for credential in credentials:
            present[credential.id] = credential.upstream
            for each in self._protections(credential):
                protected[credential.id, each.name] = each
        before, self._present = self._present, present
        known, self._protected = self._protected, protected
        if before is not None:
            for account in sorted(before.keys() - present.keys()):
                self.notify(AccountChange("disabled", before[account], account))
            for account in sorted(present.keys() - before.keys()):
                self.notify(AccountChange("enabled", present[account], account))
        for key in sorted(known.keys() - protected.keys()):
            if key[0] in present:
                self.notify(AccountChange("unprotected", present[key[0]], *key))
        for key in sorted(protected.keys() - known.keys()):
            until = _time(protected[key].until)
            change = AccountChange("protected", present[key[0]], *key, reason="quota", until=until)
            self.notify(change)

    def account_disabled(self, credential: Credential, reason: str) -> None:
        """Notify that an account was disabled."""
        if self._present is not None:
            self._present.pop(credential.id, None)
        self.notify(AccountChange("disabled", credential.upstream, credential.id, reason=reason))

    def locked(
        self,
        upstream_model: UpstreamModel,
        account: str,
        model: str,
        before: Lock | None,
        now: Lock,
    ) -> None:
        """Notify of a lock, if it is new or longer than the one ``before``.

        ``account`` or ``model`` is empty if the lock applies to all of them.
        """
        if before is None or now.until > before.until:
            until = _time(now.until)
            change = AccountChange(
                "locked", upstream_model.upstream, account, model, now.kind, until
            )
            self.notify(change)

    def unlocked(self, upstream: str, account: str, model: str = "") -> None:
        """Notify that a lock has ended before its time."""
        self.notify(AccountChange("unlocked", upstream, account, model))

    def account_unlocked(self, account: str, model: str = "") -> None:
        """Notify that the operator has ended the locks of an account."""
        self.unlocked((self._present or {}).get(account, ""), account, model)


def _time(until: float) -> float | None:
    return None if math.isinf(until) else until
