"""How busy each account is, and when it was used: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Final

#: For this long, requests of no conversation stay with the account that served the last one.
RECENT: Final = 60.0
#: How much one more lease counts in the average of how long they last.
_NEW: Final = 0.2


class InFlightCounts:
    """Counts what accounts serve.  ``now`` returns seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._loads: Counter[str] = Counter()
        self._own: Counter[tuple[str, str]] = Counter()
        self._used: dict[str, float] = {}
        self._recent: dict[str, tuple[str, float]] = {}
        #: How long a lease lasts on average, in seconds.
        self.typical = 5.0

    @property
    def running(self) -> int:
        """How many requests all accounts serve together."""
        return self._loads.total()

    def take(self, upstream: str, credential: str, session: str, *, attracts: bool = True) -> None:
        """Note that an account begins to serve a request.

        :param attracts: whether other requests of no conversation should follow it.
        """
        self._loads[credential] += 1
        self._used[credential] = self._now()
        if session:
            self._own[session, credential] += 1
        elif attracts:
            self._recent[upstream] = (credential, self._now())

    def give_back(self, credential: str, session: str, lasted: float) -> None:
        """Note that an account has served a request, for some seconds."""
        _decrease(self._loads, credential)
        if session:
            _decrease(self._own, (session, credential))
        self.typical += _NEW * (lasted - self.typical)

    def load(self, credential: str) -> int:
        """Return how many requests an account serves."""
        return self._loads[credential]

    def foreign_load(self, credential: str, session: str) -> int:
        """Return how many of them are not of one conversation."""
        return self._loads[credential] - self._own[session, credential]

    def last_used(self, credential: str) -> float:
        """Return when an account was taken last, 0 for never."""
        return self._used.get(credential, 0.0)

    def recent(self, upstream: str) -> str | None:
        """Return the account that served the last request of no conversation, if just now."""
        credential, when = self._recent.get(upstream, (None, 0.0))
        return credential if self._now() - when < RECENT else None

    def keep_only(self, credentials: Collection[str]) -> None:
        """Forget when accounts were used that are not there any more."""
        self._used = {c: when for c, when in self._used.items() if c in credentials}
        self._recent = {u: last for u, last in self._recent.items() if last[0] in credentials}


def _decrease(counts: Counter[Any], key: object) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
