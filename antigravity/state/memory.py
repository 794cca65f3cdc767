"""State in the memory of one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from antigravity.interfaces.state import (
    CONTENT_PREFIX,
    Claim,
    Claimed,
    ClaimState,
    ISlotRenewal,
    IState,
    Listener,
    Settlement,
    SlotClaim,
    SlotRelease,
    WindowClaim,
)
from antigravity.logs import make_logger
from antigravity.state.checks import (
    check_claims,
    check_key,
    check_keys,
    check_settlements,
    check_slots,
    check_ttl,
    check_value,
)
from antigravity.state.windows import Slots, Window

#: The most bytes of contents with their keys, and of all other values, such as locks of accounts.
#: Of each the ones used longest ago make room for others.
MEMORY_LIMIT: Final = 64 * 1024 * 1024
VALUES_LIMIT: Final = 32 * 1024 * 1024
#: What an entry takes besides its key and its value, in bytes.
_ENTRY: Final = 200
#: Seconds between two looks for what has expired.
_SWEEP_INTERVAL: Final = 60.0


@implementer(IState, ISlotRenewal)
class MemoryState:
    """The state of a gateway with one process.

    :param reactor: its clock and its timers.
    :param limit: the most bytes of contents, whose keys begin with :data:`CONTENT_PREFIX`.
    :param values_limit: the most bytes of other values.
    """

    log = make_logger()

    def __init__(
        self, reactor: Any, limit: int = MEMORY_LIMIT, values_limit: int = VALUES_LIMIT
    ) -> None:
        self._reactor = reactor
        self._contents = _Values(limit)
        self._others = _Values(values_limit)
        self._windows: dict[str, Window] = {}
        self._slots: dict[str, Slots] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._timer: IDelayedCall | None = None

    def start(self) -> Deferred[None]:
        """Begin to look for what has expired."""
        if self._timer is None:
            self._timer = self._reactor.callLater(_SWEEP_INTERVAL, self._sweep)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Forget everything."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        for values in (self._contents, self._others):
            values.clear()
        for table in (self._windows, self._slots, self._listeners):
            table.clear()
        return succeed(None)

    def server(self) -> Deferred[str]:
        """Return a Deferred with the name of this backend."""
        return succeed("memory")

    def get(self, key: str) -> Deferred[bytes | None]:
        """Return a Deferred with a value."""
        check_key(key)
        return succeed(self._get(key))

    def get_many(self, keys: Sequence[str]) -> Deferred[list[bytes | None]]:
        """Return a Deferred with several values."""
        check_keys(keys)
        return succeed([self._get(key) for key in keys])

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[None]:
        """Store a value."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        self._values(key).put(key, value, self._reactor.seconds() + ttl)
        return succeed(None)

    def replace(self, key: str, expected: bytes | None, value: bytes, ttl: float) -> Deferred[bool]:
        """Store a value if the present one is ``expected``."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        if self._get(key) != expected:
            return succeed(False)
        return self.put(key, value, ttl).addCallback(lambda _: True)

    def delete(self, key: str) -> Deferred[bool]:
        """Delete a value."""
        check_key(key)
        is_there = self._get(key) is not None
        self._values(key).delete(key)
        return succeed(is_there)

    def claim(self, claims: Sequence[Claim]) -> Deferred[Claimed]:
        """Grant all claims or none."""
        check_claims(claims)
        now = self._reactor.seconds()
        states = [self._look(claim, now) for claim in claims]
        if any(state.retry_in for state in states):
            return succeed(Claimed(False, tuple(states)))
        for claim, state in zip(claims, states, strict=True):
            if isinstance(claim, WindowClaim):
                self._windows[claim.key].add(state.place, claim.amount, claim.period, now)
            else:
                self._slots[claim.key].holders[claim.holder] = now + claim.ttl
        granted = tuple(
            ClaimState(
                state.used + (claim.amount if isinstance(claim, WindowClaim) else 1),
                0.0,
                state.place,
            )
            for claim, state in zip(claims, states, strict=True)
        )
        return succeed(Claimed(True, granted))

    def settle(self, settlements: Sequence[Settlement]) -> Deferred[None]:
        """Correct and end what was claimed."""
        check_settlements(settlements)
        now = self._reactor.seconds()
        for each in settlements:
            if isinstance(each, SlotRelease):
                if each.key in self._slots:
                    self._slots[each.key].holders.pop(each.holder, None)
            elif each.key in self._windows:
                self._windows[each.key].add(each.place, each.amount, each.period, now)
        return succeed(None)

    def renew(self, slots: Sequence[SlotClaim]) -> Deferred[None]:
        """Let holders have their slots for longer."""
        check_slots(slots)
        now = self._reactor.seconds()
        for each in slots:
            self._slots.setdefault(each.key, Slots()).holders[each.holder] = now + each.ttl
        return succeed(None)

    def publish(self, channel: str, message: bytes) -> Deferred[None]:
        """Send a message to all who listen, in a later turn of the event loop."""
        check_key(channel)
        check_value(message)
        for listener in self._listeners.get(channel, ()):
            self._reactor.callLater(0, self._notify, channel, listener, message)
        return succeed(None)

    def subscribe(self, channel: str, listener: Listener) -> Deferred[Callable[[], None]]:
        """Call ``listener`` with later messages."""
        check_key(channel)
        self._listeners.setdefault(channel, []).append(listener)

        def unsubscribe() -> None:
            listeners = self._listeners.get(channel, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(channel, None)

        return succeed(unsubscribe)

    def _notify(self, channel: str, listener: Listener, message: bytes) -> None:
        if listener not in self._listeners.get(channel, ()):
            return
        try:
            listener(message)
        except Exception:  # noqa: BLE001 - the others must be called
            self.log.failure("a listener of {channel} failed", channel=channel)

    def _look(self, claim: Claim, now: float) -> ClaimState:
        if isinstance(claim, SlotClaim):
            return self._slots.setdefault(claim.key, Slots()).look(claim, now)
        return self._windows.setdefault(claim.key, Window()).look(claim, now)

    def _get(self, key: str) -> bytes | None:
        return self._values(key).find(key, self._reactor.seconds())

    def _values(self, key: str) -> _Values:
        return self._contents if key.startswith(CONTENT_PREFIX) else self._others

    def _sweep(self) -> None:
        """Forget what has expired."""
        now = self._reactor.seconds()
        for values in (self._contents, self._others):
            values.sweep(now)
        for table in (self._windows, self._slots):
            for key in [key for key, each in table.items() if each.expires <= now]:
                del table[key]
        self._timer = self._reactor.callLater(_SWEEP_INTERVAL, self._sweep)


class _Values(OrderedDict[str, tuple[bytes, float]]):
    """Values with the times at which they expire, within a limit of bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.size = 0

    def put(self, key: str, value: bytes, expires: float) -> None:
        """Store a value; others make room for it."""
        self.delete(key)
        self[key] = value, expires
        self.size += _size(key, value)
        while self.size > self._limit and len(self) > 1:
            self.delete(next(iter(self)))

    def find(self, key: str, now: float) -> bytes | None:
        """Return a value that has not expired."""
        found = self.get(key)
        if found is None:
            return None
        value, expires = found
        if expires <= now:
            self.delete(key)
            return None
        self.move_to_end(key)
        return value

    def delete(self, key: str) -> None:
        """Delete a value, if there is one."""
        found = self.pop(key, None)
        if found is not None:
            self.size -= _size(key, found[0])

    def sweep(self, now: float) -> None:
        """Delete what has expired."""
        for key in [key for key, (_, expires) in self.items() if expires <= now]:
            self.delete(key)

    def clear(self) -> None:
        """Delete all values."""
        super().clear()
        self.size = 0


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY
