"""The budgets of keys in a worker: the main process has their accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.interfaces.spending import (
    ISpending,
    ISpendingRenewal,
    SpendClaim,
    Spending,
    SpendReply,
)


@implementer(ISpending, ISpendingRenewal)
class MainSpending:
    """The accounts of the main process; see :class:`ISpending`.

    :param call: calls a method of the main process.
    """

    def __init__(self, call: Callable[..., Deferred[object]]) -> None:
        self._call: Callable[..., Deferred[object]] = call

    def reserve(self, reservation: str, claims: Sequence[SpendClaim]) -> Deferred[SpendReply]:
        """Grant all claims or none."""
        return self._call("reserve", reservation, list(claims))  # type: ignore[return-value]

    def settle(self, reservation: str, spent: int) -> Deferred[None]:
        """Replace a reservation by what was spent."""
        return self._call("settle", reservation, spent)  # type: ignore[return-value]

    def renew(self, reservations: Sequence[str]) -> Deferred[None]:
        """Let reservations count for longer."""
        return self._call("renew", list(reservations))  # type: ignore[return-value]

    def look(self, accounts: Sequence[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return a Deferred with the state of each account in a period."""
        return self._call("look", list(accounts))  # type: ignore[return-value]
