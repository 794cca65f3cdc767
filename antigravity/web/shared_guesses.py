"""Wrong and unknown keys that an address has sent to all gateways with the same state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from antigravity.interfaces.state import Claimed, StateError, WindowClaim
from antigravity.web.key_throttle import HALF_LIFE, UNKNOWN_PERIOD

#: The most calls at a time; what does not fit is counted with the next wrong key.
MAX_CALLS: Final = 32
#: There is no limit in the state: each gateway decides by the count.
_NO_LIMIT: Final = 2**40


class SharedGuesses:
    """Counts wrong and unknown keys in the state that gateways share.

    The server learns hashes of addresses and keys.

    :param state: provides :class:`ISharedState`.
    """

    def __init__(self, state: Any) -> None:
        self._state = state
        self._calls = 0

    def tell(self, address: str, count: int, learn: Callable[[int], None]) -> bool:
        """Count wrong keys of an address, and call ``learn`` with the number at all gateways.

        Return whether they are counted.
        """
        return self._claim(
            [WindowClaim(f"wrong-keys/{_hash(address)}", count, _NO_LIMIT, HALF_LIFE)], learn
        )

    def tell_unknown(self, address: str, key: str, learn: Callable[[int], None]) -> bool:
        """Count an unknown key of an address, unless another gateway has counted it.

        Call ``learn`` with the number of them at all gateways.  Return whether it is counted.

        :param key: an opaque name of the key.
        """
        names = _hash(address), _hash(f"{address} {key}")
        return self._claim(
            [
                WindowClaim(f"unknown-keys/{names[0]}", 1, _NO_LIMIT, UNKNOWN_PERIOD),
                WindowClaim(f"unknown-key/{names[1]}", 1, 1, UNKNOWN_PERIOD),
            ],
            learn,
        )

    def _claim(self, claims: Sequence[WindowClaim], learn: Callable[[int], None]) -> bool:
        state = self._state
        if not state.is_shared or state.is_lost or self._calls >= MAX_CALLS:
            return False
        self._calls += 1
        claimed = state.claim(claims)
        claimed.addBoth(self._ended).addCallbacks(_learned, _ignore, callbackArgs=(learn,))
        return True

    def _ended(self, result: Any) -> Any:
        self._calls -= 1
        return result


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"wrong keys").hexdigest()


def _learned(claimed: Claimed, learn: Callable[[int], None]) -> None:
    learn(claimed.states[0].used)


def _ignore(failure: Any) -> None:
    failure.trap(StateError)
