"""What keys have spent of their budgets: reserved at admission, settled at the end.

Amounts are in nanodollars.  Unlike shared state, spending must last: see
:class:`antigravity.interfaces.state.IState` for what may be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface


class SpendClaim(Struct, frozen=True):
    """A wish to spend up to ``amount`` of an account, at most ``limit`` in ``period`` in all.

    An account has one period at a time; a claim in another one begins it anew.
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


class SpendSettlement(Struct, frozen=True):
    """The end of a reservation of ``reserved``, of which ``spent`` was really spent.

    It changes nothing if the account is in another period by now.
    """

    account: str
    period: str
    reserved: int
    spent: int


class ISpending(Interface):
    """The accounts of budgets.  Deferreds fail with a ``StateError`` if they are out of reach."""

    def reserve(claims: Sequence[SpendClaim]) -> Deferred[SpendReply]:
        """Grant all claims or none, in one step that no other reservation comes between."""

    def settle(settlements: Sequence[SpendSettlement]) -> Deferred[None]:
        """Replace reservations by what was spent."""

    def look(accounts: Sequence[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return a Deferred with the state of each account in a period."""
