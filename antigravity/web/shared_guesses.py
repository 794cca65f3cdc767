"""Wrong keys that an address has sent to all gateways with the same state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from antigravity.interfaces.state import Claimed, StateError, WindowClaim
from antigravity.web.key_throttle import HALF_LIFE

#: The most calls at a time; what does not fit is counted with the next wrong key.
MAX_CALLS: Final = 32
#: There is no limit in the state: each gateway decides by the count.
_NO_LIMIT: Final = 2**40


class SharedGuesses:
    """Counts wrong keys in the state that gateways share.

    The server learns a hash of the address.

    :param state: provides :class:`ISharedState`.
    """

    def __init__(self, state: Any) -> None:
        self._state = state
        self._calls = 0

    def tell(self, address: str, count: int, learn: Callable[[int], None]) -> bool:
        """Count wrong keys of an address, and call ``learn`` with the number at all gateways.

        Return whether they are counted.
        """
        state = self._state
        if not state.is_shared or state.is_lost or self._calls >= MAX_CALLS:
            return False
        name = hashlib.blake2b(address.encode(), digest_size=16, person=b"wrong keys").hexdigest()
        self._calls += 1
        claimed = state.claim([WindowClaim(f"wrong-keys/{name}", count, _NO_LIMIT, HALF_LIFE)])
        claimed.addBoth(self._ended).addCallbacks(_learned, _ignore, callbackArgs=(learn,))
        return True

    def _ended(self, result: Any) -> Any:
        self._calls -= 1
        return result


def _learned(claimed: Claimed, learn: Callable[[int], None]) -> None:
    learn(claimed.states[0].used)


def _ignore(failure: Any) -> None:
    failure.trap(StateError)
