"""Access tokens that gateways share, so that one of them renews each.

They are encrypted with the refresh token, which all gateways with the account have.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

from antigravity.interfaces.state import Claimed, SlotClaim, SlotRelease, StateError

#: Seconds after which a gateway that vanished has its lease no more, between two signs of life of
#: one that renews the token, and that it has for that.
LEASE: Final = 6.0
_BEAT: Final = 1.5
_LONGEST_RENEWAL: Final = 35.0
#: Seconds that the others wait for a token at most.
_LONGEST_WAIT: Final = 40.0
#: Seconds until the first look whether the other one is done, and between later ones at most.
_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 1.0
_NONCE: Final = 12
#: What tells the leases of a gateway apart.
_NUMBERS: Final = count()


class SharedToken(Struct, frozen=True):
    """An access token; its times are seconds since the epoch."""

    access: str
    made: float
    expires: float

    def __repr__(self) -> str:
        return "<SharedToken>"


_DECODER: Final = msgspec.msgpack.Decoder(SharedToken)


class SharedTokens:
    """The token of one account in the state that gateways share.

    :param state: provides :class:`ISharedState`.
    :param refresh: the refresh token of the account.
    :param client: the id of the OAuth client, which tokens belong to as well.
    """

    def __init__(self, state: Any, clock: IReactorTime, refresh: str, client: str) -> None:
        self._state = state
        self._clock = clock
        secret = f"{client}\0{refresh}".encode()
        self._name = "oauth:" + hashlib.blake2b(secret, digest_size=20, person=b"name").hexdigest()
        self._encryption_key = hashlib.blake2b(secret, digest_size=32, person=b"key").digest()
        holder = f"{state.identity}-{next(_NUMBERS)}"
        self._lease = SlotClaim(self._name, holder, 1, LEASE)
        self._is_leased = False
        self._leased_until = 0.0
        self._timer: IDelayedCall | None = None

    async def find_or_lease(self, is_usable: Callable[[SharedToken], bool]) -> SharedToken | None:
        """Return a usable token; ``None`` if this gateway has to renew it.

        While another gateway renews it, this waits.  The caller calls :meth:`release` in any case;
        until then this gateway keeps the lease.
        """
        end, pause = self._clock.seconds() + _LONGEST_WAIT, _FIRST_LOOK
        while True:
            try:
                self._is_leased = (await self._state.claim([self._lease])).granted
            except StateError:
                return None
            if self._is_leased:
                self._leased_until = self._clock.seconds() + _LONGEST_RENEWAL
                self._timer = self._clock.callLater(_BEAT, self._beat)
                token = await self._find()
                return token if token is not None and is_usable(token) else None
            if self._clock.seconds() >= end:
                return None
            await deferLater(self._clock, pause)
            pause = min(1.5 * pause, _LONGEST_LOOK)

    async def store(self, token: SharedToken, ttl: float) -> None:
        """Store a token for ``ttl`` seconds, if the state can be reached."""
        nonce = os.urandom(_NONCE)
        value = nonce + self._cipher().encrypt(
            nonce, msgspec.msgpack.encode(token), self._name.encode()
        )
        if ttl > 0:
            with suppress(StateError):
                await self._state.put(self._name, value, ttl)

    def release(self) -> None:
        """Let another gateway renew the token; the state learns that a moment later."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._is_leased:
            self._is_leased = False
            self._settle()

    def _settle(self) -> None:
        release = SlotRelease(self._lease.key, self._lease.holder)
        released: Deferred[None] = self._state.settle([release])
        released.addErrback(_ignore)

    def _beat(self) -> None:
        """Keep the lease, unless the renewal takes too long or another gateway has it now."""
        if self._clock.seconds() < self._leased_until:
            self._timer = self._clock.callLater(_BEAT, self._beat)
            self._state.claim([self._lease]).addCallbacks(self._beaten, _ignore)

    def _beaten(self, claimed: Claimed) -> None:
        if claimed.granted and not self._is_leased:
            self._settle()  # it was released meanwhile

    async def _find(self) -> SharedToken | None:
        try:
            value = await self._state.get(self._name)
        except StateError:
            return None
        if value is None:
            return None
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher().decrypt(value[:_NONCE], value[_NONCE:], self._name.encode())
            return _DECODER.decode(plain)
        except (InvalidTag, ValueError):  # somebody else has written it
            return None

    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        return ChaCha20Poly1305(self._encryption_key)


def _ignore(failure: Any) -> None:
    failure.trap(StateError)
