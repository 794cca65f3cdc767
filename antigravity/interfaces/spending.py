"""What keys have spent of their budgets: reserved at admission, settled at the end.

Amounts are in nanodollars.  Unlike shared state, spending must last: see
:class:`antigravity.interfaces.state.IState` for what may be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

#: Seconds after which a reservation that was neither settled nor renewed counts no more.
RESERVATION_TTL: Final = 3600.0


class SpendClaim(Struct, frozen=True):
    """A wish to spend up to ``amount`` of an account, at most ``limit`` in ``period`` in all.

    The name of an account is the id of its key, a slash, and the kind of its period.
    """

    account: str
    period: str
    amount: int
    limit: int


class Spending(Struct, frozen=True):
    """What was spent in a period, and what is reserved for running requests besides."""

    spent: int = 0
    reserved: int = 0


class SpendReply(Struct, frozen=True):
    """Whether all claims were granted, and what each found, itself included if it was granted."""

    granted: bool
    states: tuple[Spending, ...]


class ISpending(Interface):
    """The accounts of budgets.  Deferreds fail with a ``StateError`` if they are out of reach.

    A reservation has a name that no other one has, of 1 to 100 characters.
    """

    def reserve(reservation: str, claims: Sequence[SpendClaim]) -> Deferred[SpendReply]:
        """Grant all claims or none, in one step that no other reservation comes between.

        What is granted adds to what the reservation holds already.  It is released after
        :data:`RESERVATION_TTL`, also that of a process that was killed.
        """

    def settle(reservation: str, spent: int) -> Deferred[None]:
        """Replace what a reservation holds by what was spent, in each of its accounts and periods.

        It counts once: nothing happens if the reservation was settled, or does not exist.  After
        its release it still counts.
        """

    def look(accounts: Sequence[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return a Deferred with the state of each account in a period."""


class ISpendingRenewal(Interface):
    """What a provider of :class:`ISpending` can provide besides: reservations of long requests."""

    def renew(reservations: Sequence[str]) -> Deferred[None]:
        """Let reservations count for another :data:`RESERVATION_TTL`, if they were not settled."""
