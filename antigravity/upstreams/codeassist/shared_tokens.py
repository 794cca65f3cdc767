"""Access tokens that gateways share, so that one of them renews each.

They are encrypted with the refresh token, which all gateways with the account have.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity.interfaces.state import SlotClaim, SlotRelease, StateError

#: Seconds that one gateway has for a renewal, and that the others wait for it at most.
LEASE: Final = 35.0
_LONGEST_WAIT: Final = 40.0
#: Seconds until the first look whether the other one is done, and between later ones at most.
_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 1.0
_NONCE: Final = 12


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
        self._is_leased = False

    async def find_or_lease(self, is_usable: Callable[[SharedToken], bool]) -> SharedToken | None:
        """Return a usable token; ``None`` if this gateway has to renew it.

        While another gateway renews it, this waits.  The caller calls :meth:`release` in any case.
        """
        end, pause = self._clock.seconds() + _LONGEST_WAIT, _FIRST_LOOK
        lease = SlotClaim(self._name, self._state.identity, 1, LEASE)
        while True:
            try:
                self._is_leased = (await self._state.claim([lease])).granted
            except StateError:
                return None
            if self._is_leased:
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
        if self._is_leased:
            self._is_leased = False
            released: Deferred[None] = self._state.settle(
                [SlotRelease(self._name, self._state.identity)]
            )
            released.addErrback(lambda failure: failure.trap(StateError) and None)

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
