"""Contents of requests that gateways share, encrypted with a secret that only they have.

Whoever keeps the state learns the kind, the size and the age of what is stored, but neither
contents nor names.  Each value is bounded, and so is what waits to be stored; what does not fit is
left out.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.interfaces.state import CONTENT_PREFIX, LONGEST_TTL, MANY_KEYS, StateError
from antigravity.logs import make_logger

#: The most bytes of a value, and of all values that are on their way.
MAX_VALUE: Final = 8 * 1024 * 1024
MAX_SENDING: Final = 64 * 1024 * 1024
#: Values that are known to be absent, and for how many seconds they are not looked for.  After the
#: first time that is short: a value that another gateway has just stored may be on its way.
_MAX_ABSENT: Final = 20_000
_ABSENT_TTL: Final = 600.0
_FIRST_ABSENT_TTL: Final = 2.0
_NONCE: Final = 12
_CHANNEL: Final = "content"


class _Dropped(Struct, frozen=True, array_like=True):
    """A message: what is kept of a value must be forgotten."""

    origin: str
    kind: str
    key: str


_DROPPED_DECODER: Final = msgspec.msgpack.Decoder(_Dropped)


class SharedContent:
    """Contents in the state of a gateway, by kind and key.  No method fails.

    :param state: provides :class:`ISharedState`.
    """

    log = make_logger()

    def __init__(self, state: Any, reactor: Any) -> None:
        self._state = state
        self._now: Callable[[], float] = reactor.seconds
        self._keys: _Keys | None = None
        self._sending = 0
        #: Until when values are not looked for, by kind and key.
        self._absent: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._kinds: dict[str, SharedKind] = {}
        self._is_listening = False
        state.watch(self._listen)

    def use(self, secret: bytes | None) -> None:
        """Encrypt with keys that are derived from ``secret``; without one share nothing."""
        self._keys = None if secret is None else _Keys(secret)
        self._absent.clear()
        if self._state.is_shared:
            self._listen()

    @property
    def is_used(self) -> bool:
        """Whether contents are shared now."""
        return self._keys is not None and self._state.is_shared and not self._state.is_lost

    def kind(self, name: str) -> SharedKind:
        """Return the contents of one kind."""
        return self._kinds.setdefault(name, SharedKind(self, name))

    def put(self, kind: str, key: str, value: bytes, ttl: float) -> None:
        """Store a value for ``ttl`` seconds, soon."""
        size = len(value)
        if not self.is_used or ttl <= 0 or size > MAX_VALUE:
            return
        if self._sending + size > MAX_SENDING:
            return
        assert self._keys is not None
        name = self._keys.name(kind, key)
        self._absent.pop((kind, key), None)
        self._sending += size
        sent: Deferred[None] = self._state.put(
            name, self._keys.seal(name, value), min(ttl, LONGEST_TTL)
        )
        sent.addBoth(self._sent, size)
        sent.addErrback(_ignore)

    def delete(self, kind: str, key: str) -> None:
        """Delete a value, and let all gateways forget what they keep of it."""
        if not self.is_used:
            return
        assert self._keys is not None
        self._state.delete(self._keys.name(kind, key)).addErrback(_ignore)
        self.drop(kind, key)

    def drop(self, kind: str, key: str) -> None:
        """Let all other gateways forget what they keep of a value."""
        if not self.is_used:
            return
        assert self._keys is not None
        message = msgspec.msgpack.encode(_Dropped(self._state.identity, kind, key))
        sealed = self._keys.seal(_CHANNEL, message)
        self._state.publish(_CHANNEL, sealed).addErrback(_ignore)

    async def find_many(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        """Return values by one call, ``None`` for those that are absent or out of reach."""
        found: list[bytes | None] = [None] * len(keys)
        secret = self._keys
        if secret is None or not self.is_used:
            return found
        names = [secret.name(kind, key) for key in keys[:MANY_KEYS]]
        try:
            values = await self._state.get_many(names)
        except StateError:
            return found
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            found[number] = None if value is None else secret.open(name, value)
        return found

    def is_absent(self, kind: str, key: str) -> bool:
        """Return whether a value was looked for and not found not long ago."""
        if self._keys is None:
            return True
        return self._absent.get((kind, key), 0.0) > self._now()

    def note_absent(self, kind: str, key: str) -> None:
        """Remember that there is no such value."""
        if self._keys is not None:
            name = kind, key
            ttl = _ABSENT_TTL if name in self._absent else _FIRST_ABSENT_TTL
            self._absent[name] = self._now() + ttl
            self._absent.move_to_end(name)
            if len(self._absent) > _MAX_ABSENT:
                self._absent.popitem(last=False)

    # Internals

    def _sent(self, result: Any, size: int) -> Any:
        self._sending -= size
        return result

    def _listen(self) -> None:
        """Listen to what others drop."""
        if not self._is_listening and self._keys is not None:
            self._is_listening = True
            self._state.subscribe(_CHANNEL, self._received).addErrback(_ignore)

    def _received(self, message: bytes) -> None:
        plain = None if self._keys is None else self._keys.open(_CHANNEL, message)
        if plain is None:
            return
        try:
            dropped = _DROPPED_DECODER.decode(plain)
        except msgspec.DecodeError:
            return  # of another version
        kind = self._kinds.get(dropped.kind)
        if kind is not None and dropped.origin != self._state.identity:
            kind.on_drop(dropped.key)


class SharedKind:
    """The contents of one kind.

    :ivar on_drop: forgets what is kept of a value that another gateway has replaced or deleted.
    """

    def __init__(self, content: SharedContent, name: str) -> None:
        self._content = content
        self.on_drop: Callable[[str], object] = lambda key: None
        self.put: Callable[[str, bytes, float], None] = partial(content.put, name)
        self.delete: Callable[[str], None] = partial(content.delete, name)
        self.drop: Callable[[str], None] = partial(content.drop, name)
        self.find_many: Callable[[Sequence[str]], Any] = partial(content.find_many, name)
        self.is_absent: Callable[[str], bool] = partial(content.is_absent, name)
        self.note_absent: Callable[[str], None] = partial(content.note_absent, name)

    @property
    def is_used(self) -> bool:
        """Whether contents are shared now."""
        return self._content.is_used

    async def find(self, key: str) -> bytes | None:
        """Return a value, ``None`` if it is absent or out of reach."""
        found: bytes | None = (await self.find_many([key]))[0]
        return found


class _Keys:
    """What is derived from the secret: names, and a key for each of them."""

    def __init__(self, secret: bytes) -> None:
        self._name_key = hashlib.blake2b(secret, digest_size=32, person=b"content name").digest()
        self._master = hashlib.blake2b(secret, digest_size=32, person=b"content key").digest()

    def __repr__(self) -> str:
        return "<_Keys>"

    def name(self, kind: str, key: str) -> str:
        """Return the key in the state; it does not tell what it stands for."""
        data = f"{kind}\0{key}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(data, key=self._name_key, digest_size=20).hexdigest()
        return f"{CONTENT_PREFIX}{kind}/{digest}"

    def seal(self, name: str, value: bytes) -> bytes:
        """Return a value encrypted, and bound to its name."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = nonce + self._cipher(name).encrypt(nonce, value, name.encode())
        return sealed

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """Return what was encrypted, ``None`` if it was made with another secret, or changed."""
        from cryptography.exceptions import InvalidTag

        try:
            plain: bytes = self._cipher(name).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], name.encode()
            )
        except (InvalidTag, ValueError):
            return None
        return plain

    def _cipher(self, name: str) -> Any:
        # Imported on first use: most gateways never need it.
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        key = hashlib.blake2b(name.encode(), key=self._master, digest_size=32).digest()
        return ChaCha20Poly1305(key)


def _ignore(failure: Any) -> None:
    failure.trap(StateError)
