"""The slots that a gateway holds while it serves requests, renewed together as long as they run.

So the slots of a gateway that was killed are free again soon, however long its requests may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from antigravity.interfaces.state import MANY_KEYS, SlotClaim, SlotRelease, StateError
from antigravity.logs import make_logger

#: Seconds after which a slot is free unless its holder renews it, and between two renewals.
SLOT_TTL: Final = 60.0
RENEWAL_INTERVAL: Final = 20.0


class HeldSlots:
    """Slots by their holders, each of which has one.

    :param state: provides :class:`ISharedState`, or another :class:`IState` that renews slots.
    :param is_needed: returns whether they are renewed now.
    """

    log = make_logger()

    def __init__(
        self, state: Any, clock: Any, is_needed: Callable[[], bool] = lambda: True
    ) -> None:
        self._state = state
        self._clock = clock
        self._is_needed = is_needed
        self._keys: dict[str, str] = {}
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def holders(self) -> list[str]:
        """Return all holders."""
        return list(self._keys)

    def keys(self) -> set[str]:
        """Return the keys of all slots."""
        return set(self._keys.values())

    def add(self, holder: str, key: str) -> None:
        """Renew a slot from now on."""
        self._keys[holder] = key
        if self._timer is None:
            self._timer = self._clock.callLater(RENEWAL_INTERVAL, self._renew)

    def remove(self, holder: str) -> str | None:
        """Renew a slot no more; return its key if it was held."""
        return self._keys.pop(holder, None)

    def stop(self) -> None:
        """Renew nothing more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _renew(self) -> None:
        """Renew all slots, and go on as long as there are some."""
        self._timer = None
        if not self._keys:
            return
        self._timer = self._clock.callLater(RENEWAL_INTERVAL, self._renew)
        if not self._is_needed():
            return
        slots = [SlotClaim(key, holder, 0, SLOT_TTL) for holder, key in self._keys.items()]
        for start in range(0, len(slots), MANY_KEYS):
            some = slots[start : start + MANY_KEYS]
            self._state.renew(some).addCallbacks(self._renewed, self._failed, callbackArgs=(some,))

    def _renewed(self, _: object, slots: list[SlotClaim]) -> None:
        """Release those slots again whose requests ended while the state renewed them."""
        ended = [
            SlotRelease(each.key, each.holder) for each in slots if each.holder not in self._keys
        ]
        if ended:
            self._state.settle(ended).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        if failure.check(StateError) is None:
            self.log.failure("slots cannot be renewed", failure=failure)
