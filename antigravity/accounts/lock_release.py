"""Ends locks before their time, for the operator and for quotas that have room again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.lock_table import LockTable
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.logs import make_logger


class LockReleaser:
    """Ends the locks of one pool.

    :ivar marks: those of the accounts that there are, by id; see ``Credential.mark``.  ``None`` as
        long as none are known.
    """

    log = make_logger()

    def __init__(self, lockouts: LockTable, watch: AccountEvents) -> None:
        self.marks: dict[str, str] | None = None
        self._lockouts = lockouts
        self._watch = watch

    def restore(self, marks: object) -> None:
        """Take in the marks of the last run."""
        if isinstance(marks, Mapping):
            self.marks = {name: mark for name, mark in marks.items() if isinstance(mark, str)}

    def follow(self, credentials: Iterable[Credential]) -> bool:
        """Forget the locks of accounts that are gone, added anew, enabled again or unlocked.

        Return whether something has changed.
        """
        every = list(credentials)
        present = {each.id: each.mark for each in every}
        known, self.marks = self.marks, present
        gone = self._lockouts.accounts() - present.keys()
        for name in sorted(gone):
            self.release(name)
        for each in every:
            if known is not None and known.get(each.id) != each.mark:
                self.release(each.id, upstream=each.upstream)
        return known != present or bool(gone)

    def release(self, credential: str, model: str = "", upstream: str = "") -> int:
        """Forget the locks of an account (for one model), and return how many there were.

        :param upstream: its upstream, where the locks that are for everyone there end, too.
        """
        ended = self._lockouts.release(credential, model, upstream)
        if ended:
            self._watch.readmitted(credential, model)
            self.log.info(
                "{credential} is unlocked for {model}",
                credential=credential,
                model=model or "all models",
            )
        return ended

    def by_quota(
        self, credential: str, quota: Quota, asked: float, now: float, interval: float
    ) -> bool:
        """End the limits that a quota shows to be over; return whether there were any.

        :param asked: when the upstream was asked.
        :param interval: a lock that comes again at once is not ended so for so many seconds.
        """
        ended = self._lockouts.lift(
            credential, lambda model: quota.left(model, now), asked, interval
        )
        for scope in ended:
            model = scope.model or ""
            self.log.info(
                "{credential} has quota again for {model}, so its lock ends",
                credential=credential,
                model=model,
            )
            self._watch.unlocked(scope.upstream, credential, model)
        return bool(ended)
