"""Which accounts a request does not try again, and when it does: pure."""

from __future__ import annotations

from collections.abc import Set

from msgspec import Struct

from antigravity.exchange.attempts.retry import GIVE_UP, Step
from antigravity.ir.errors import (
    GatewayError,
    RateLimitedError,
    UnusableResponseError,
    UpstreamCredentialError,
    UpstreamError,
)

_OTHER = Step("other")


class TriedAccounts(Struct, frozen=True):
    """Ids of accounts that are not tried (again) for one request.

    ``transient`` are those of them whose failure may pass within ``pause`` seconds.
    """

    excluded: frozenset[str] = frozenset()
    transient: frozenset[str] = frozenset()
    pause: float = 0.0

    def without_upstream(
        self, siblings: Set[str], accounts: Set[str]
    ) -> tuple[Step, TriedAccounts]:
        """Return the next step if an upstream, with the accounts ``siblings``, cannot serve."""
        tried = TriedAccounts(self.excluded | siblings, self.transient, self.pause)
        return (_OTHER if accounts - tried.excluded else GIVE_UP), tried

    def readmitted(self) -> TriedAccounts:
        """Return a copy in which accounts with transient failures can be tried again."""
        return TriedAccounts(self.excluded - self.transient)

    def after(
        self, error: GatewayError, step: Step, failed: str, siblings: Set[str], accounts: Set[str]
    ) -> tuple[Step, TriedAccounts]:
        """Return the next step after ``error``; ``step`` is the one for this error alone.

        ``failed`` is the account of the attempt, ``siblings`` are all accounts of its upstream,
        and ``accounts`` all that could serve.
        """
        if step.action != "other" or isinstance(error, RateLimitedError):
            return step, self  # the pool locks an account at a limit, and knows when it is free
        excluded = self.excluded | {failed}
        transient, pause = self.transient, self.pause
        may_pass = isinstance(error, UpstreamError)
        may_pass = may_pass and not isinstance(
            error, UpstreamCredentialError | UnusableResponseError
        )
        if isinstance(error, UnusableResponseError):
            excluded |= siblings  # it comes from the upstream's address, whatever the account
        if may_pass:
            transient, pause = transient | {failed}, step.delay
        if accounts - excluded:
            return _OTHER, TriedAccounts(excluded, transient, pause)
        if may_pass:  # all have failed, this one for now: all are tried again
            return step, TriedAccounts(pause=pause)
        return (step if transient else GIVE_UP), TriedAccounts(excluded, transient, pause)
