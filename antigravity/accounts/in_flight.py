"""Counts of the requests that each account serves, when it was last used, and its last error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Final

from antigravity.ir.errors import (
    CancelledByClientError,
    GatewayError,
    InvalidRequestError,
    RequestTooLargeError,
)

#: For this many seconds, requests without a session stay with the account that served the last.
RECENT: Final = 60.0
#: The most characters of an error that are kept.
_MOST_ERROR: Final = 300
#: The weight of the newest lease in the average duration.
_NEWEST: Final = 0.2
#: Errors that say nothing about the account.
_NOT_THE_ACCOUNTS: Final = (InvalidRequestError, RequestTooLargeError, CancelledByClientError)


class InFlightCounts:
    """Counts the requests in progress.  ``now`` returns seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._loads: Counter[str] = Counter()
        self._session_loads: Counter[tuple[str, str]] = Counter()
        self._last_used: dict[str, float] = {}
        self._recent: dict[str, tuple[str, float]] = {}
        self._last_errors: dict[str, tuple[str, float]] = {}
        self._full_until: dict[str, float] = {}
        #: The average duration of a lease, in seconds.
        self.average_duration = 5.0

    @property
    def total(self) -> int:
        """The number of requests that all accounts serve."""
        return self._loads.total()

    def begin(self, upstream: str, credential: str, session: str, *, followed: bool = True) -> None:
        """Record that an account begins to serve a request.

        :param followed: whether later requests without a session should use the same account.
        """
        now = self._now()
        self._loads[credential] += 1
        self._last_used[credential] = now
        if session:
            self._session_loads[session, credential] += 1
        elif followed:
            self._recent[upstream] = (credential, now)

    def end(
        self, credential: str, session: str, duration: float, error: GatewayError | None = None
    ) -> None:
        """Record that an account has served a request; ``duration`` is in seconds.

        :param error: why it has not; an invalid request is no error of the account.
        """
        if error is not None and not isinstance(error, _NOT_THE_ACCOUNTS):
            self._last_errors[credential] = (error.operator_message[:_MOST_ERROR], self._now())
        _decrease(self._loads, credential)
        if session:
            _decrease(self._session_loads, (session, credential))
        self.average_duration += _NEWEST * (duration - self.average_duration)

    def mark_full(self, credential: str, seconds: float) -> None:
        """Record that an account has as many requests as it may have, with those of others."""
        self._full_until[credential] = self._now() + seconds

    def is_full(self, credential: str, limit: int) -> bool:
        """Return whether an account may serve no further request; ``limit`` is 0 for no limit."""
        if not limit:
            return False
        if self._loads[credential] >= limit:
            return True
        return bool(self._full_until) and self._full_until.get(credential, 0.0) > self._now()

    def load(self, credential: str) -> int:
        """Return the number of requests that an account serves."""
        return self._loads[credential]

    def activity_of(self, credential: str, session: str) -> tuple[int, int, float]:
        """Return an account's requests, those of other sessions, and when it was last used."""
        load = self._loads[credential]
        own = self._session_loads[session, credential] if session else 0
        return load, load - own, self._last_used.get(credential, 0.0)

    def last_used(self, credential: str) -> float:
        """Return when an account was last used, 0 for never."""
        return self._last_used.get(credential, 0.0)

    def last_error(self, credential: str) -> tuple[str, float] | None:
        """Return the last error of an account and when it was, ``None`` if there was none."""
        return self._last_errors.get(credential)

    def recent(self, upstream: str) -> str | None:
        """Return the account that served the last request without a session, if recently."""
        credential, when = self._recent.get(upstream, (None, 0.0))
        return credential if self._now() - when < RECENT else None

    def keep_only(self, credentials: Collection[str]) -> None:
        """Remove the times of accounts that no longer exist."""
        self._last_used = {c: when for c, when in self._last_used.items() if c in credentials}
        self._last_errors = {c: last for c, last in self._last_errors.items() if c in credentials}
        self._full_until = {c: end for c, end in self._full_until.items() if c in credentials}
        self._recent = {u: last for u, last in self._recent.items() if last[0] in credentials}


def _decrease(counts: Counter[Any], key: object) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
