"""Early ends of locks: by the operator, by a changed account, by a fetched quota."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.lock_table import LockTable
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.logs import make_logger


class LockReleaser:
    """Ends the locks of one pool before their time.

    :ivar marks: the marks of the known accounts by id, see ``Credential.mark``; ``None`` until
        they are known.
    :ivar on_unlock: called with the upstream, the account and the model, or an empty one for all,
        when an account of this gateway was unlocked.
    """

    log = make_logger()

    def __init__(self, locks: LockTable, events: AccountEvents) -> None:
        self.marks: dict[str, str] | None = None
        self.on_unlock: Callable[[str, str, str], None] = lambda upstream, credential, model: None
        self._locks = locks
        self._events = events

    def restore(self, marks: object) -> None:
        """Restore the marks of the last run."""
        if isinstance(marks, Mapping):
            self.marks = {name: mark for name, mark in marks.items() if isinstance(mark, str)}

    def update_accounts(self, credentials: Iterable[Credential]) -> bool:
        """Remove the locks of accounts that were removed, added again, enabled or unlocked.

        Return whether anything has changed.
        """
        every = list(credentials)
        present = {each.id: each.mark for each in every}
        known, self.marks = self.marks, present
        removed = self._locks.accounts() - present.keys()
        for name in sorted(removed):
            self.unlock(name)
        for each in every:
            if known is not None and known.get(each.id) != each.mark:
                self.unlock(each.id, upstream=each.upstream)
        return known != present or bool(removed)

    def unlock(self, credential: str, model: str = "", upstream: str = "") -> int:
        """Remove the locks of an account, for one model or all; return the number of locks.

        :param upstream: if given, locks of its models for everyone are removed as well.
        """
        ended = self._locks.remove(credential, model, upstream)
        if upstream:
            self.on_unlock(upstream, credential, model)
        if ended:
            self._events.account_unlocked(credential, model)
            self.log.info(
                "{credential} is unlocked for {model}",
                credential=credential,
                model=model or "all models",
            )
        return ended

    def apply_quota(
        self, credential: str, quota: Quota, fetched: float, now: float, interval: float
    ) -> bool:
        """End the limit locks of models with remaining quota; return whether there were any.

        :param fetched: when the request for the quota was sent.
        :param interval: the seconds for which a quota cannot end the same lock again.
        """
        ended = self._locks.remove_by_quota(
            credential, lambda model: quota.remaining(model, now), fetched, interval
        )
        for scope in ended:
            model = scope.model or ""
            self.log.info(
                "{credential} has quota for {model} again; its lock ends",
                credential=credential,
                model=model,
            )
            self._events.unlocked(scope.upstream, credential, model)
        return bool(ended)
