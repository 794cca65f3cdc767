"""The store of thinking by tool call, with limits on number, size and age.

The thinking of one API key is never used for another one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.ir.parts import Thinking
from antigravity.ir.signature import Signature


class StoredThinking(Struct, frozen=True):
    """The signature of one tool call, and the thinking before it."""

    signature: Signature | None = None
    thinking: tuple[Thinking, ...] = ()

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        size = 200 + (len(self.signature.value) if self.signature else 0)
        for part in self.thinking:
            size += len(part.text) + len(part.redacted or "")
            size += len(part.signature.value) if part.signature else 0
        return size


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredThinking)
#: Using an entry renews it if less than this fraction of its time to live remains.
_RENEW_BELOW: Final = 0.9
#: The most calls of one request that other gateways are asked for, the last ones.
MAX_FETCHED: Final = 200
#: The separator of API key and call id, which neither contains.
_SEPARATOR: Final = "\0"


class SharedThinking(Protocol):
    """What gateways share of thinking; nothing fails."""

    @property
    def is_used(self) -> bool:
        """Whether it is shared now."""

    def put(self, key: str, value: bytes, ttl: float, /) -> None:
        """Store a value, soon."""

    async def find_many(self, keys: Sequence[str], /) -> list[bytes | None]:
        """Return values, ``None`` for those that are absent."""

    def is_absent(self, key: str, /) -> bool:
        """Return whether a value was not found not long ago."""

    def note_absent(self, key: str, /) -> None:
        """Remember that there is no such value."""


class SignatureStore:
    """Stored thinking by API key and tool-call id; the least recently used is removed first.

    ``now`` returns seconds since the epoch; ``ttl`` is in seconds since the last use.

    :ivar disk: the store on disk, if there is one.
    :ivar shared: where gateways share thinking, if they do.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        ttl: float = 7200.0,
        max_entries: int = 20_000,
        max_bytes: int = 64 * 1024 * 1024,
        disk: IExpiringStore | None = None,
    ) -> None:
        self.disk = disk
        self.shared: SharedThinking | None = None
        self._now = now
        self._ttl = ttl
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, tuple[float, StoredThinking]] = OrderedDict()
        self._bytes = 0
        #: How often thinking was looked for, and found or not.
        self.lookups = {"hit": 0, "miss": 0}

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self, entries: Iterable[Entry]) -> int:
        """Restore the entries of ``disk``, oldest first; return the number of invalid ones."""
        latest = self._now() + self._ttl  # the time to live may be shorter now
        invalid = 0
        for key, expires, value in entries:
            try:
                thinking = _DECODER.decode(value)
            except msgspec.DecodeError:
                invalid += 1
                self._remove(key)
            else:
                self._put(key, min(expires, latest), thinking)
        self._trim()
        return invalid

    def configure(self, *, ttl: float, max_entries: int, max_bytes: int) -> None:
        """Change the limits, and remove at once what exceeds them."""
        shorter = ttl < self._ttl
        self._ttl, self._max_entries, self._max_bytes = ttl, max_entries, max_bytes
        latest = self._now() + ttl
        for key, (expires, thinking) in self._entries.items() if shorter else ():
            if expires > latest:
                self._entries[key] = (latest, thinking)
                if self.disk is not None:
                    self.disk.put(Entry(key, latest, _ENCODER.encode(thinking)))
        self._trim()

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        return [
            Entry(key, expires, _ENCODER.encode(thinking))
            for key, (expires, thinking) in self._entries.items()
        ]

    def remember(self, principal: str, call_id: str, thinking: StoredThinking) -> None:
        """Store the thinking of a call."""
        self._save(_key(principal, call_id), thinking)
        self._trim()

    async def fetch(self, principal: str, call_ids: Iterable[str]) -> None:
        """Keep what other gateways have stored of calls that are not stored here.

        What is not found is not looked for again for a while.
        """
        shared = self.shared
        if shared is None or not shared.is_used:
            return
        keys = [_key(principal, each) for each in call_ids]
        missing = [key for key in keys if key not in self._entries and not shared.is_absent(key)]
        missing = missing[-MAX_FETCHED:]
        if not missing:
            return
        for key, value in zip(missing, await shared.find_many(missing), strict=True):
            if value is None:
                shared.note_absent(key)
                continue
            try:
                thinking = _DECODER.decode(value)
            except msgspec.DecodeError:
                continue  # of another version
            self._save(key, thinking, tell=False)
        self._trim()

    def recall(self, principal: str, call_id: str) -> StoredThinking | None:
        """Return the thinking of a call, if it is still stored."""
        key = _key(principal, call_id)
        entry = self._entries.get(key)
        if entry is None:
            self.lookups["miss"] += 1
            return None
        expires, thinking = entry
        now = self._now()
        if expires <= now:
            self.lookups["miss"] += 1
            return None
        self.lookups["hit"] += 1
        if expires - now < self._ttl * _RENEW_BELOW:
            # Renewed for conversations in use, but not each time, since that writes to disk.
            self._save(key, thinking)
        return thinking

    def _save(self, key: str, thinking: StoredThinking, *, tell: bool = True) -> None:
        expires = self._now() + self._ttl
        self._put(key, expires, thinking)
        shared = self.shared if tell and self.shared is not None and self.shared.is_used else None
        if self.disk is None and shared is None:
            return
        value = _ENCODER.encode(thinking)
        if self.disk is not None:
            self.disk.put(Entry(key, expires, value))
        if shared is not None:
            shared.put(key, value, self._ttl)

    def _put(self, key: str, expires: float, thinking: StoredThinking) -> None:
        self._drop(key)
        self._entries[key] = (expires, thinking)
        self._bytes += thinking.size

    def _trim(self) -> None:
        now = self._now()
        while self._entries:
            key, (expires, _) = next(iter(self._entries.items()))
            full = len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            if not full and expires > now:
                return
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._drop(key)
        if self.disk is not None:
            self.disk.delete(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1].size


def _key(principal: str, call_id: str) -> str:
    return f"{principal}{_SEPARATOR}{call_id}"
