"""Tells observers what becomes of accounts: pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from antigravity.accounts.locks import Lock
from antigravity.interfaces.accounts import AccountChange, UpstreamModel
from antigravity.interfaces.selection import Protection
from antigravity.interfaces.upstreams import Credential

Tell = Callable[[AccountChange], None]


def tell_nobody(change: AccountChange) -> None:
    """Do nothing: nobody watches."""


class AccountEvents:
    """Compares how things are with how they were.

    ``protections`` returns what of an account's quotas is protected now.

    :ivar tell: is told of every change once.
    """

    def __init__(
        self, protections: Callable[[Credential], Sequence[Protection]] = lambda credential: ()
    ) -> None:
        self.tell: Tell = tell_nobody
        self._protections = protections
        #: The upstream of each account that may be used; nothing before the first look.
        self._present: dict[str, str] | None = None
        self._protected: dict[tuple[str, str], Protection] = {}

    def look(self, credentials: Iterable[Credential]) -> None:
        """Tell which accounts have come, gone, or are protected (no more) since the last time."""
        present, protected = {}, {}
        for credential in credentials:
            present[credential.id] = credential.upstream
            for each in self._protections(credential):
                protected[credential.id, each.name] = each
        before, self._present = self._present, present
        known, self._protected = self._protected, protected
        if before is not None:
            for account in sorted(before.keys() - present.keys()):
                self.tell(AccountChange("disabled", before[account], account))
            for account in sorted(present.keys() - before.keys()):
                self.tell(AccountChange("enabled", present[account], account))
        for key in sorted(known.keys() - protected.keys()):
            if key[0] in present:
                self.tell(AccountChange("unprotected", present[key[0]], *key))
        for key in sorted(protected.keys() - known.keys()):
            until = _time(protected[key].until)
            change = AccountChange("protected", present[key[0]], *key, reason="quota", until=until)
            self.tell(change)

    def retired(self, credential: Credential, reason: str) -> None:
        """Tell that an account is of no use any more."""
        if self._present is not None:
            self._present.pop(credential.id, None)
        self.tell(AccountChange("disabled", credential.upstream, credential.id, reason=reason))

    def locked(
        self, option: UpstreamModel, account: str, model: str, before: Lock | None, now: Lock
    ) -> None:
        """Tell of a lock, if it is new or lasts longer than the one before.

        ``account`` or ``model`` is empty where the lock is for all.
        """
        if before is None or now.until > before.until:
            until = _time(now.until)
            change = AccountChange("locked", option.upstream, account, model, now.kind, until)
            self.tell(change)

    def unlocked(self, upstream: str, account: str, model: str = "") -> None:
        """Tell that a lock has ended before its time."""
        self.tell(AccountChange("unlocked", upstream, account, model))

    def readmitted(self, account: str, model: str = "") -> None:
        """Tell that people have ended the locks of an account."""
        self.unlocked((self._present or {}).get(account, ""), account, model)


def _time(until: float) -> float | None:
    return None if math.isinf(until) else until
