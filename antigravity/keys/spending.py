"""The accounts of budgets in one process: in memory, and in a file that outlives it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from antigravity.interfaces.spending import (
    RESERVATION_TTL,
    ISpending,
    ISpendingRenewal,
    SpendClaim,
    Spending,
    SpendReply,
)
from antigravity.interfaces.state import StateError
from antigravity.interfaces.stores import IStateStore

#: The most accounts that are stored: four budgets of each key.
MOST_ACCOUNTS: Final = 40_000
#: The most reservations at a time, and the most that are known of those that were released.
MOST_RESERVATIONS: Final = 100_000


class _Account(Struct):
    """One account.

    ``orphaned`` is the part of ``reserved`` whose requests ended with an earlier process; it is
    released at ``released_at``, in seconds since the epoch.
    """

    period: str
    spent: int = 0
    reserved: int = 0
    orphaned: int = 0
    released_at: float = 0.0


class _Reservation(Struct):
    """What is reserved for a request: amounts by account, each in a period."""

    made: float
    amounts: dict[str, tuple[str, int]]
    is_released: bool = False


@implementer(ISpending, ISpendingRenewal)
class MemorySpending:
    """Accounts of one process; see :class:`ISpending`.

    What is reserved is stored, too, so that a process that is killed does not forget it.

    :param now: returns the seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._accounts: dict[str, _Account] = {}
        #: The oldest first.
        self._reservations: dict[str, _Reservation] = {}
        #: The oldest first, kept in case they are settled after all.
        self._released: dict[str, _Reservation] = {}
        self.store: IStateStore | None = None

    def load(self, store: IStateStore) -> None:
        """Read what was stored, and store every change from now on."""
        until = self._now() + RESERVATION_TTL
        accounts = store.load().get("accounts")
        for name, raw in (accounts if isinstance(accounts, dict) else {}).items():
            try:
                account: _Account = msgspec.convert(raw, _Account)
            except msgspec.ValidationError:
                continue
            if account.reserved > account.orphaned:
                account.orphaned, account.released_at = account.reserved, until
            self._accounts[name] = account
        self.store = store
        store.watch(self._snapshot)

    def keep(self, keys: Collection[str]) -> None:
        """Forget the accounts of other keys than these."""
        gone = [name for name in self._accounts if name.partition("/")[0] not in keys]
        for name in gone:
            del self._accounts[name]
        if gone:
            self._changed()

    def reserve(self, reservation: str, claims: Sequence[SpendClaim]) -> Deferred[SpendReply]:
        """Grant all claims or none."""
        self._release_old()
        if len(self._reservations) >= MOST_RESERVATIONS:
            return fail(StateError("too many requests of keys with budgets are running"))
        accounts = [self._find(claim.account, claim.period) for claim in claims]
        granted = all(
            account.spent + account.reserved + claim.amount <= claim.limit
            for claim, account in zip(claims, accounts, strict=True)
        )
        if granted:
            held = self._reservations.get(reservation)
            if held is None:
                held = self._reservations[reservation] = _Reservation(self._now(), {})
            for claim, account in zip(claims, accounts, strict=True):
                account.reserved += claim.amount
                _, amount = held.amounts.get(claim.account, (claim.period, 0))
                held.amounts[claim.account] = claim.period, amount + claim.amount
            self._changed()
        return succeed(SpendReply(granted, tuple(map(_state, accounts))))

    def settle(self, reservation: str, spent: int) -> Deferred[None]:
        """Replace a reservation by what was spent."""
        held = self._reservations.pop(reservation, None) or self._released.pop(reservation, None)
        if held is not None:
            self._end(held, spent)
        return succeed(None)

    def renew(self, reservations: Sequence[str]) -> Deferred[None]:
        """Let reservations count for longer; those that were released count again."""
        for name in reservations:
            held = self._reservations.pop(name, None)
            if held is None:
                held = self._released.pop(name, None)
                if held is None:
                    continue
                self._count_again(held)
            held.made = self._now()
            self._reservations[name] = held
        return succeed(None)

    def _count_again(self, held: _Reservation) -> None:
        held.is_released = False
        for name, (period, amount) in held.amounts.items():
            account = self._accounts.get(name)
            if account is not None and account.period == period:
                account.reserved += amount
        self._changed()

    def look(self, accounts: Sequence[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return the state of each account in a period."""
        self._release_old()
        return succeed([_state(self._find(name, period)) for name, period in accounts])

    def _find(self, name: str, period: str) -> _Account:
        account = self._accounts.get(name)
        if account is None or account.period != period:
            account = self._accounts[name] = _Account(period)
            if len(self._accounts) > MOST_ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
        elif account.orphaned and self._now() >= account.released_at:
            account.reserved = max(0, account.reserved - account.orphaned)
            account.orphaned = 0
        return account

    def _release_old(self) -> None:
        """Release reservations whose time is over."""
        until = self._now() - RESERVATION_TTL
        while self._reservations:
            name, held = next(iter(self._reservations.items()))
            if held.made > until:
                return
            del self._reservations[name]
            self._end(held, 0)
            held.is_released = True
            self._released[name] = held
            if len(self._released) > MOST_RESERVATIONS:
                del self._released[next(iter(self._released))]

    def _end(self, held: _Reservation, spent: int) -> None:
        for name, (period, amount) in held.amounts.items():
            account = self._accounts.get(name)
            if account is not None and account.period == period:
                if not held.is_released:
                    account.reserved = max(0, account.reserved - amount)
                account.spent += spent
        self._changed()

    def _changed(self) -> None:
        if self.store is not None:
            self.store.changed()

    def _snapshot(self) -> Mapping[str, Any]:
        return {"accounts": msgspec.to_builtins(self._accounts)}


def _state(account: _Account) -> Spending:
    return Spending(account.spent, account.reserved)
