"""What running requests have reserved of budgets, renewed together as long as they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from antigravity.interfaces.spending import RESERVATION_TTL, ISpending, ISpendingRenewal

#: Seconds between two renewals.
RENEWAL_INTERVAL: Final = RESERVATION_TTL / 6


class HeldReservations:
    """Reservations, each with the accounts that have it.

    :param settle: logs a renewal that failed.
    """

    def __init__(self, clock: Any, settle: Callable[[Deferred[None]], None]) -> None:
        self._clock = clock
        self._settle = settle
        self._spending: dict[str, ISpending] = {}
        self._timer: IDelayedCall | None = None

    def add(self, name: str, spending: ISpending) -> None:
        """Renew a reservation from now on."""
        self._spending[name] = spending
        if self._timer is None:
            self._timer = self._clock.callLater(RENEWAL_INTERVAL, self._renew)

    def remove(self, name: str) -> None:
        """Renew a reservation no more."""
        self._spending.pop(name, None)

    def stop(self) -> None:
        """Renew nothing more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _renew(self) -> None:
        """Renew all reservations, and go on as long as there are some."""
        self._timer = None
        if not self._spending:
            return
        self._timer = self._clock.callLater(RENEWAL_INTERVAL, self._renew)
        places: dict[ISpending, list[str]] = {}
        for name, spending in self._spending.items():
            places.setdefault(spending, []).append(name)
        for spending, names in places.items():
            if ISpendingRenewal.providedBy(spending):
                self._settle(ISpendingRenewal(spending).renew(names))
