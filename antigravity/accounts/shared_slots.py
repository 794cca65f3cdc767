"""The most requests of an account at once, over all gateways.

Each request holds a slot for its account.  The slots of a gateway that was killed are free again a
minute later.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lease import Lease
from antigravity.interfaces.state import Claimed, SlotClaim, SlotRelease, StateError
from antigravity.logs import make_logger
from antigravity.state.held_slots import SLOT_TTL, HeldSlots

#: Seconds for which an account counts as busy after all of its slots were found taken.
PAUSE: Final = 0.15
#: Seconds for which a gateway leaves a slot to others that have asked for one.
_YIELD: Final = 2 * PAUSE
_CHANNEL: Final = "account-slots"


class AccountSlots:
    """The slots of accounts.

    :param state: provides :class:`ISharedState`.
    :param retry: serves requests that wait for an account.
    :ivar limit: the most requests of an account at once, 0 for no limit.
    """

    log = make_logger()

    def __init__(
        self, state: Any, clock: Any, in_flight: InFlightCounts, retry: Callable[[], None]
    ) -> None:
        self.limit = 0
        self._state = state
        self._clock = clock
        self._in_flight = in_flight
        self._retry = retry
        self._numbers = count()
        self._held = HeldSlots(state, clock, lambda: bool(state.is_shared))
        #: When other gateways last wanted a slot of an account.
        self._wanted: dict[str, float] = {}
        self._retry_timer: IDelayedCall | None = None
        self._retry_until = 0.0
        self._unsubscribe: Callable[[], None] | None = None
        self._is_subscribing = False

    @property
    def is_used(self) -> bool:
        """Whether other gateways have to be asked."""
        return self.limit > 0 and bool(self._state.is_shared)

    def stop(self) -> None:
        """End timers, and free all slots; the state learns that a moment later."""
        self._held.stop()
        timer, self._retry_timer = self._retry_timer, None
        if timer is not None and timer.active():
            timer.cancel()
        end, self._unsubscribe = self._unsubscribe, None
        if end is not None:
            end()
        for holder in self._held.holders():
            self._free(holder)

    async def take(self, lease: Lease) -> bool:
        """Return whether a lease has got a slot, which its end frees.

        While the state is out of reach, this gateway grants its part of the slots.
        """
        account, limit = lease.credential.id, self.limit
        key, holder = f"account/{account}", f"{self._state.identity}-{next(self._numbers)}"
        self._listen()
        taken: Deferred[bool] = Deferred(lambda _: None)  # a claim is not cancelled
        self._held.add(holder, key)
        claimed = self._state.claim([SlotClaim(key, holder, limit, SLOT_TTL)])
        claimed.addCallbacks(self._claimed, self._lost, (taken, key, holder), None, (taken, lease))
        claimed.addErrback(self._failed, taken)
        try:
            is_granted = await taken
        except BaseException:
            self._free(holder)
            raise
        if is_granted:
            lease.on_end = lambda: self._ended(account, holder)
        else:
            self._free(holder, is_held=False)
            self._refused(account)
        return is_granted

    def _claimed(self, claimed: Claimed, taken: Deferred[bool], key: str, holder: str) -> None:
        if taken.called:  # nobody waits for it any more
            self._release(holder, key)
        else:
            taken.callback(claimed.granted)

    def _lost(self, failure: Any, taken: Deferred[bool], lease: Lease) -> None:
        failure.trap(StateError)
        part = max(1, self.limit // max(1, self._state.gateways))
        if not taken.called:
            taken.callback(self._in_flight.load(lease.credential.id) <= part)

    def _failed(self, failure: Any, taken: Deferred[bool]) -> None:
        self.log.failure("a slot of an account cannot be claimed", failure=failure)
        if not taken.called:
            taken.callback(True)

    def _refused(self, account: str) -> None:
        """Let requests wait a moment, and other gateways leave a slot."""
        self._mark_full(account, PAUSE)
        message = f"{self._state.identity} {account}".encode()
        self._state.publish(_CHANNEL, message).addErrback(_ignore)

    def _ended(self, account: str, holder: str) -> None:
        self._free(holder)
        wanted = self._wanted.pop(account, None)
        if wanted is not None and self._clock.seconds() - wanted < _YIELD:
            self._mark_full(account, _YIELD)

    def _mark_full(self, account: str, seconds: float) -> None:
        """Use other accounts for a while, and then serve those who have waited for this one."""
        self._in_flight.mark_full(account, seconds)
        self._retry_until = max(self._retry_until, self._clock.seconds() + seconds)
        if self._retry_timer is None:
            self._retry_timer = self._clock.callLater(PAUSE, self._retry_now)

    def _retry_now(self) -> None:
        self._retry_timer = None
        if self._clock.seconds() < self._retry_until:
            self._retry_timer = self._clock.callLater(PAUSE, self._retry_now)
        self._retry()

    def _free(self, holder: str, *, is_held: bool = True) -> None:
        key = self._held.remove(holder)
        if key is not None and is_held:
            self._release(holder, key)

    def _release(self, holder: str, key: str) -> None:
        self._state.settle([SlotRelease(key, holder)]).addErrback(_ignore)

    # Other gateways

    def _listen(self) -> None:
        if self._unsubscribe is None and not self._is_subscribing:
            self._is_subscribing = True
            self._state.subscribe(_CHANNEL, self._received).addCallback(self._subscribed)

    def _subscribed(self, end: Callable[[], None]) -> None:
        self._unsubscribe, self._is_subscribing = end, False

    def _received(self, message: bytes) -> None:
        origin, _, account = message.decode("utf-8", "replace").partition(" ")
        if origin != self._state.identity and account in self._held_accounts():
            self._wanted[account] = self._clock.seconds()

    def _held_accounts(self) -> set[str]:
        return {key.removeprefix("account/") for key in self._held.keys()}  # noqa: SIM118 - no dictionary


def _ignore(failure: Any) -> None:
    failure.trap(StateError)
