"""Admits requests of keys: counts them, reserves what they may cost, settles what they did."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.interfaces.spending import (
    ISpending,
    SpendClaim,
    SpendReply,
)
from antigravity.interfaces.state import (
    WINDOW_PARTS,
    Claim,
    Claimed,
    ClaimState,
    Settlement,
    SlotClaim,
    SlotRelease,
    StateError,
    WindowChange,
    WindowClaim,
)
from antigravity.ir.errors import (
    GatewayError,
    NotFoundError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
)
from antigravity.keys.held_reservations import HeldReservations
from antigravity.keys.limit_headers import LimitState
from antigravity.keys.records import rules_of
from antigravity.keys.ring import MINUTE, ActiveKey, KeyRing
from antigravity.keys.stored_keys import MOST_KEYS
from antigravity.keys.values import Period, dollars, iso_time, period_at
from antigravity.logs import make_logger
from antigravity.state.held_slots import SLOT_TTL, HeldSlots


class BudgetPeriod(Struct, frozen=True):
    """The period of a budget that is now; ``ends`` is in seconds since the epoch."""

    period: Period
    name: str
    limit: int
    ends: float | None


class _CurrentPeriods(Struct, frozen=True):
    """The periods of a key's budgets, which hold from ``begin`` to ``end``."""

    key: ActiveKey
    begin: float
    end: float
    periods: tuple[BudgetPeriod, ...]


class KeyGate:
    """The limits and budgets of all keys.

    :param state: counts requests, tokens and running requests; provides :class:`ISharedState`.
    :param spending: the accounts of budgets.
    :param now: returns the seconds since the epoch.
    :param clock: renews what running requests hold.
    :ivar slots: the slots of running requests; :ivar reservations: what they have reserved.
    """

    log = make_logger()

    def __init__(
        self,
        ring: KeyRing,
        state: Any,
        spending: ISpending,
        now: Callable[[], float],
        clock: Any,
    ) -> None:
        self.ring = ring
        self.state = state
        self.spending = spending
        self.now = now
        # Clients can choose the ids of their requests, so these are other ones.
        self._process = secrets.token_hex(8)
        self._numbers = count()
        self._periods: dict[str, _CurrentPeriods] = {}
        self.slots = HeldSlots(state, clock)
        self.reservations = HeldReservations(clock, self.settle)

    def stop(self) -> None:
        """Renew nothing more."""
        self.slots.stop()
        self.reservations.stop()

    def periods(self, key: ActiveKey) -> tuple[BudgetPeriod, ...]:
        """Return the periods of a key's budgets that are now."""
        now, known = self.now(), self._periods.get(key.id)
        if known is not None and known.key is key and known.begin <= now < known.end:
            return known.periods
        periods = budget_periods(key, now)
        end = min((each.ends for each in periods if each.ends is not None), default=math.inf)
        if len(self._periods) >= MOST_KEYS:
            self._periods.clear()
        self._periods[key.id] = _CurrentPeriods(key, now, end, periods)
        return periods

    def admission(self, key: ActiveKey) -> KeyAdmission:
        """Return what admits one request of a key."""
        return KeyAdmission(self, key, f"{self._process}-{next(self._numbers)}")

    def settle(self, done: Deferred[None]) -> None:
        """Log a settlement that failed: what was claimed then expires by itself."""
        if done.called and done.result is None:
            return
        done.addErrback(
            lambda failure: self.log.warn(
                "what a key has used was not stored: {error}", error=str(failure.value)
            )
        )

    async def usage(self, principal: str) -> dict[str, Any]:
        """Return what a key may do and has used, as JSON.

        :raises NotFoundError: if the principal is no key.
        """
        key = self.ring.find(principal)
        if key is None:
            raise NotFoundError(
                "This path shows the limits of a key that 'antigravity keys add' has made; the key "
                "of this request has none.",
                code="key_without_limits",
            )
        claims = [
            WindowClaim(_window(key, name), 0, limit, MINUTE)
            for name, limit in _rates(key)
            if limit is not None
        ]
        try:
            claimed: Claimed = await self.state.claim(claims)
            periods = self.periods(key)
            spent = await self.spending.look(
                [(_account(key, each.period), each.name) for each in periods]
            )
        except StateError as error:
            raise unavailable(error) from error
        used = iter(claimed.states)
        return {
            "id": key.id,
            "label": key.record.label,
            "rules": rules_of(key.record),
            "limits": [
                {
                    "unit": name,
                    "per": "minute",
                    "limit": limit,
                    "remaining": max(0, limit - next(used).used),
                }
                for name, limit in _rates(key)
                if limit is not None
            ],
            "budgets": [
                {
                    "per": each.period,
                    "limit": _as_dollars(each.limit),
                    "spent": _as_dollars(found.spent),
                    "reserved": _as_dollars(found.reserved),
                    "remaining": _as_dollars(max(0, each.limit - found.spent - found.reserved)),
                    "resets_at": None if each.ends is None else iso_time(each.ends),
                }
                for each, found in zip(periods, spent, strict=True)
            ],
        }


class KeyAdmission:
    """One request of a key, from its admission to its end.

    :ivar tokens: the estimate of input tokens that is counted.
    :ivar cost: returns what the finished request costs, given its record; set with a reservation.
    :ivar is_final: whether the request was refused so that sending it again cannot help soon.
    """

    def __init__(self, gate: KeyGate, key: ActiveKey, holder: str) -> None:
        self.key = key
        self._gate = gate
        self._holder = holder
        self.tokens = 0
        self.cost: Callable[[Any], int] | None = None
        self.is_final = False
        self._places: dict[str, int] = {}
        self._has_slot = False
        self._reserved = 0
        self._spending: ISpending | None = None
        self._periods: tuple[BudgetPeriod, ...] = ()
        self.limits: list[LimitState] = []

    async def claim(self, tokens: int) -> None:
        """Count the request.

        :param tokens: an estimate of its input; the real usage replaces it at the end.
        :raises RateLimitedError: if a limit is reached.
        :raises UnavailableError: if the counts are out of reach.
        """
        record = self.key.record
        claims: list[Claim] = []
        most = record.tokens_per_minute
        self.tokens = tokens
        if self.key.requests is not None:
            claims.append(self.key.requests)
        if most is not None:
            claims.append(WindowClaim(self.key.tokens, tokens, most, MINUTE))
        if record.parallel_requests is not None:
            slots = self.key.slots
            claims.append(SlotClaim(slots, self._holder, record.parallel_requests, SLOT_TTL))
        if not claims:
            return
        try:
            claimed: Claimed = await self._gate.state.claim(claims)
        except StateError as error:
            raise unavailable(error) from error
        self._note(claims, claimed)
        if most is not None and tokens > most:
            self.is_final = True
            raise RateLimitedError(
                f"The request has about {tokens} tokens, and this API key may use {most} tokens "
                "per minute. Shorten the request.",
                code="request_too_large_for_limit",
            )
        if not claimed.granted:
            raise _limit_reached(claims, claimed.states)

    def _note(self, claims: Sequence[Claim], claimed: Claimed) -> None:
        for claim, state in zip(claims, claimed.states, strict=True):
            if isinstance(claim, WindowClaim):
                unit = claim.key.rpartition("/")[2]
                reset = state.retry_in or (MINUTE * (WINDOW_PARTS + 1) / WINDOW_PARTS)
                left = max(0, claim.limit - state.used)
                self.limits.append(LimitState(unit, claim.limit, left, reset if state.used else 0))
                if claimed.granted:
                    self._places[unit] = state.place
            else:
                self._has_slot = claimed.granted
                if claimed.granted:
                    self._gate.slots.add(self._holder, claim.key)

    async def reserve(self, amount: int) -> None:
        """Reserve what the request may cost, in nanodollars, in place of an earlier reservation.

        :raises QuotaExhaustedError: if that is more than what is left of a budget.
        :raises UnavailableError: if the accounts are out of reach.
        """
        more = amount - self._reserved
        if more <= 0:
            return
        if not self._periods:
            self._periods = self._gate.periods(self.key)
        claims = [
            SpendClaim(_account(self.key, each.period), each.name, more, each.limit)
            for each in self._periods
        ]
        # Whether one that fails or is cancelled was made is not known.
        spending = self._spending = self._spending or self._gate.spending
        try:
            reply: SpendReply = await spending.reserve(self._holder, claims)
        except StateError as error:
            raise unavailable(error) from error
        if reply.granted:
            self._reserved = amount
            self._gate.reservations.add(self._holder, spending)
            return
        if not self._reserved:
            self._spending = None
        for claim, each, found in zip(claims, self._periods, reply.states, strict=True):
            left = claim.limit - found.spent - found.reserved
            if more > left:
                self.is_final = True
                raise self._spent(each, amount, max(0, left + self._reserved))

    def _spent(self, budget: BudgetPeriod, amount: int, left: int) -> GatewayError:
        when, retry_after = "", None
        if budget.ends is not None:
            retry_after = max(1.0, budget.ends - self._gate.now())
            when = f" It is full again at {iso_time(budget.ends)}."
        return QuotaExhaustedError(
            f"The request may cost up to ${dollars(amount)}, and ${dollars(left)} is left of this "
            f"API key's budget of ${dollars(budget.limit)} per {budget.period}."
            f"{when} A smaller max_tokens needs less.",
            code="budget_exceeded",
            retry_after=retry_after,
        )

    def settle(self, record: Any) -> None:
        """Replace what was claimed by what the finished request used; it never fails."""
        settlements: list[Settlement] = []
        tokens = self._places.pop("tokens", None)
        if tokens is not None:
            used = _used_tokens(record, self.tokens)
            if used != self.tokens:
                change = used - self.tokens
                settlements.append(WindowChange(self.key.tokens, tokens, change, MINUTE))
        if self._has_slot:
            self._has_slot = False
            self._gate.slots.remove(self._holder)
            settlements.append(SlotRelease(self.key.slots, self._holder))
        if settlements:
            self._gate.settle(self._gate.state.settle(settlements))
        if self._spending is not None:
            spending, self._spending = self._spending, None
            self._gate.reservations.remove(self._holder)
            spent = 0 if self.cost is None else self.cost(record)
            self._gate.settle(spending.settle(self._holder, spent))


def budget_periods(key: ActiveKey, now: float) -> tuple[BudgetPeriod, ...]:
    """Return the periods of a key's budgets that are now."""
    found = []
    moment: datetime = key.local_time(now)
    for budget in key.budgets:
        name, end = period_at(budget.period, moment)
        ends = None if end is None else end.timestamp()
        found.append(BudgetPeriod(budget.period, name, budget.amount, ends))
    return tuple(found)


def unavailable(error: Exception) -> GatewayError:
    """Return the error for a request whose limits cannot be checked."""
    return UnavailableError(
        f"The limits of this API key cannot be checked now ({error}); try again.",
        code="limits_unavailable",
    )


def _used_tokens(record: Any, estimate: int) -> int:
    if record.usage is not None:
        return int(record.usage.total)
    return estimate if record.first_byte is not None else 0


def _limit_reached(claims: Sequence[Claim], states: Sequence[ClaimState]) -> GatewayError:
    """Return the error for the limit that is reached longest."""
    claim, state = max(zip(claims, states, strict=True), key=lambda each: each[1].retry_in)
    if isinstance(claim, SlotClaim):
        return RateLimitedError(
            f"This API key has {claim.limit} requests running, the most that it may have; try "
            "again when one of them has ended.",
            code="parallel_limit_exceeded",
            retry_after=1.0,
        )
    unit = claim.key.rpartition("/")[2]
    return RateLimitedError(
        f"This API key may use {claim.limit} {unit} per minute, and has used {state.used}; try "
        f"again in {max(1, round(state.retry_in))} s.",
        code="rate_limit_exceeded",
        retry_after=state.retry_in,
    )


def _rates(key: ActiveKey) -> tuple[tuple[str, int | None], ...]:
    record = key.record
    return ("requests", record.requests_per_minute), ("tokens", record.tokens_per_minute)


def _window(key: ActiveKey, unit: str) -> str:
    return f"key/{key.id}/{unit}"


def _account(key: ActiveKey, period: str) -> str:
    return f"{key.id}/{period}"


def _as_dollars(amount: int) -> float:
    return amount / 1e9
