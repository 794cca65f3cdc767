"""What keys have spent, in a PostgreSQL database: no two gateways can overspend a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, succeed
from twisted.python.failure import Failure
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
from antigravity.logs import make_logger
from antigravity.stores.postgres_pool import PostgresPool, UnsentError

#: The most settlements that wait for the server; the oldest one beyond is lost.
MOST_UNSETTLED: Final = 100_000
#: Seconds until the server is asked again.
_PAUSE: Final = 1.0
#: Seconds after which a server has certainly ended what it was sent.
_DOUBT: Final = 6.0
_RESERVE: Final = (
    "SELECT * FROM reserve("
    "%s, %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::double precision)"
)
_SETTLE: Final = "SELECT settle(%s, %s::bigint)"
_RENEW: Final = (
    "UPDATE reservations SET expires = now() + make_interval(secs => %s::double precision) "
    "WHERE reservation = ANY(%s::text[])"
)
_LOOK: Final = "SELECT spent, reserved FROM look(%s::text[], %s::text[])"


@implementer(ISpending, ISpendingRenewal)
class PostgresSpending:
    """The accounts on a server; see :class:`ISpending`.

    Settlements that the server has not confirmed are stored, and sent again.

    :param prepare: returns a Deferred that fires when the tables exist.
    :param store: keeps settlements while the server is away.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        pool: PostgresPool,
        prepare: Callable[[], Deferred[None]],
        store: IStateStore,
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._prepare = prepare
        self._store = store
        self._unsettled: dict[str, int] = {}
        #: Reservations of running requests: whether they were made, or only may be.
        self._made: dict[str, bool] = {}
        #: Reservations that were not made for certain.
        self._unmade: set[str] = set()
        #: Settlements that the server was sent.
        self._settling: set[Deferred[None]] = set()
        self._timer: Any = None
        self._sending: Deferred[None] | None = None
        self._is_started = False

    def start(self) -> None:
        """Read what was not settled before, and settle it."""
        found = self._store.load().get("unsettled")
        for name, spent in (found if isinstance(found, dict) else {}).items():
            if isinstance(spent, int):
                self._unsettled[name] = spent
        self._store.watch(self._snapshot)
        self._is_started = True
        if self._unsettled:
            self._send()

    @inlineCallbacks
    def stop(self) -> Any:
        """Store what is not settled; the Deferred fires when that is done."""
        if not self._is_started:
            return
        self._is_started = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        yield DeferredList([*self._settling, *([self._sending] if self._sending else [])])
        yield self._store.stop()

    @property
    def unsettled(self) -> int:
        """How many settlements wait for the server."""
        return len(self._unsettled)

    def reserve(self, reservation: str, claims: Sequence[SpendClaim]) -> Deferred[SpendReply]:
        """Grant all claims or none."""
        names, periods, amounts, limits = (
            [getattr(each, field) for each in claims]
            for field in ("account", "period", "amount", "limit")
        )
        parameters = [reservation, names, periods, amounts, limits, RESERVATION_TTL]
        done: Deferred[Any] = self._ask(_RESERVE, parameters)
        return done.addCallbacks(
            partial(self._reserved, reservation), partial(self._failed, reservation)
        )

    def _reserved(self, reservation: str, rows: list[tuple[bool, int, int]]) -> SpendReply:
        granted = bool(rows and rows[0][0])
        if granted:
            self._made.setdefault(reservation, True)
            self._unmade.discard(reservation)
        return SpendReply(granted, tuple(Spending(spent, held) for _, spent, held in rows))

    def _failed(self, reservation: str, failure: Any) -> Any:
        """Note whether a reservation may be made nevertheless."""
        if failure.check(UnsentError) is None:
            self._made[reservation] = False
            self._unmade.discard(reservation)
        elif reservation not in self._made:
            self._unmade.add(reservation)
        return failure

    def settle(self, reservation: str, spent: int) -> Deferred[None]:
        """Replace a reservation by what was spent, now or when the server is back."""
        is_certain = self._made.pop(reservation, True)
        if reservation in self._unmade:
            self._unmade.remove(reservation)
            return succeed(None)
        if not is_certain:  # the server may be about to make it
            self._keep(reservation, spent, _DOUBT)
            return succeed(None)

        def ended(failure: Any) -> None:
            self._settling.remove(done)
            if isinstance(failure, Failure):
                failure.trap(StateError)
                self._keep(reservation, spent, _PAUSE)

        done: Deferred[Any] = self._ask(_SETTLE, [reservation, spent])
        self._settling.add(done)
        return done.addBoth(ended)

    def renew(self, reservations: Sequence[str]) -> Deferred[None]:
        """Let reservations count for longer."""
        done: Deferred[Any] = self._ask(_RENEW, [RESERVATION_TTL, list(reservations)])
        return done.addCallback(lambda _: None)

    def look(self, accounts: Sequence[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return the state of each account in a period."""
        if not accounts:
            return succeed([])
        names, periods = (list(each) for each in zip(*accounts, strict=True))
        return self._ask(_LOOK, [names, periods]).addCallback(
            lambda rows: [Spending(spent, reserved) for spent, reserved in rows]
        )

    def _ask(self, sql: str, parameters: Sequence[Any]) -> Deferred[Any]:
        return self._prepare().addCallback(lambda _: self._pool.query(sql, parameters))

    def _keep(self, reservation: str, spent: int, delay: float) -> None:
        self._unsettled[reservation] = spent
        if len(self._unsettled) > MOST_UNSETTLED:
            lost = next(iter(self._unsettled))
            del self._unsettled[lost]
            self.log.error("a settlement of a budget is lost: too many wait for the database")
        self._store.changed()
        self._later(delay)

    def _later(self, delay: float) -> None:
        if self._timer is None and self._sending is None and self._is_started:
            self._timer = self._reactor.callLater(delay, self._send)

    def _send(self) -> None:
        self._timer = None
        self._sending = Deferred.fromCoroutine(self._send_all())

        def sent(_: object) -> None:
            self._sending = None
            if self._unsettled:
                self._later(_PAUSE)

        self._sending.addErrback(
            lambda failure: self.log.failure("settlements were not sent", failure)
        )
        self._sending.addCallback(sent)

    async def _send_all(self) -> None:
        """Settle what waits, until something fails."""
        while self._unsettled:
            name, spent = next(iter(self._unsettled.items()))
            try:
                await self._ask(_SETTLE, [name, spent])
            except StateError:
                return
            self._unsettled.pop(name, None)
            self._store.changed()

    def _snapshot(self) -> Mapping[str, Any]:
        return {"unsettled": dict(self._unsettled)}
