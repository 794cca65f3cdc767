"""Remember the thinking behind tool calls, for a while and within bounds, also over a restart.

What one API key's conversations made is never given to another's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.ir.parts import Thinking
from antigravity.ir.signature import Signature


class StoredThinking(Struct, frozen=True):
    """What stood on and before one tool call."""

    signature: Signature | None = None
    thinking: tuple[Thinking, ...] = ()

    @property
    def size(self) -> int:
        """Roughly how many bytes this takes."""
        size = 200 + (len(self.signature.value) if self.signature else 0)
        for part in self.thinking:
            size += len(part.text) + len(part.redacted or "")
            size += len(part.signature.value) if part.signature else 0
        return size


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredThinking)
#: What is left of the time to live when using an entry begins it anew.
_STALE: Final = 0.9
#: Stands between API key and call id; neither has it.
_BETWEEN: Final = "\0"


class SignatureStore:
    """Memories by API key and tool-call id; those not used for longest go first.

    ``now`` returns seconds since the epoch; ``ttl`` is in seconds since the last use.

    :ivar disk: keeps what has to survive a restart.
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
        self._now = now
        self._ttl = ttl
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, tuple[float, StoredThinking]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self, entries: Iterable[Entry]) -> int:
        """Know again what ``disk`` has kept, the oldest first; return how many made no sense."""
        latest = self._now() + self._ttl  # the time to live may be shorter now
        senseless = 0
        for key, expires, value in entries:
            try:
                memory = _DECODER.decode(value)
            except msgspec.DecodeError:
                senseless += 1
                self._forget(key)
            else:
                self._put(key, min(expires, latest), memory)
        self._trim()
        return senseless

    def configure(self, *, ttl: float, max_entries: int, max_bytes: int) -> None:
        """Keep so much for so long, from now on; what is beyond that goes at once."""
        shorter = ttl < self._ttl
        self._ttl, self._max_entries, self._max_bytes = ttl, max_entries, max_bytes
        latest = self._now() + ttl
        for key, (expires, memory) in self._entries.items() if shorter else ():
            if expires > latest:
                self._entries[key] = (latest, memory)
                if self.disk is not None:
                    self.disk.put(Entry(key, latest, _ENCODER.encode(memory)))
        self._trim()

    def entries(self) -> list[Entry]:
        """Return everything that is known, the oldest first."""
        return [
            Entry(key, expires, _ENCODER.encode(memory))
            for key, (expires, memory) in self._entries.items()
        ]

    def remember(self, principal: str, call_id: str, memory: StoredThinking) -> None:
        """Keep what belongs to a call."""
        self._keep(_key(principal, call_id), memory)
        self._trim()

    def recall(self, principal: str, call_id: str) -> StoredThinking | None:
        """Return what belongs to a call, if it is still known."""
        key = _key(principal, call_id)
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, memory = entry
        now = self._now()
        if expires <= now:
            return None
        if expires - now < self._ttl * _STALE:
            # A conversation that goes on keeps its own; not each time, because it is written.
            self._keep(key, memory)
        return memory

    def _keep(self, key: str, memory: StoredThinking) -> None:
        expires = self._now() + self._ttl
        self._put(key, expires, memory)
        if self.disk is not None:
            self.disk.put(Entry(key, expires, _ENCODER.encode(memory)))

    def _put(self, key: str, expires: float, memory: StoredThinking) -> None:
        self._drop(key)
        self._entries[key] = (expires, memory)
        self._bytes += memory.size

    def _trim(self) -> None:
        now = self._now()
        while self._entries:
            key, (expires, _) = next(iter(self._entries.items()))
            full = len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            if not full and expires > now:
                return
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._drop(key)
        if self.disk is not None:
            self.disk.delete(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1].size


def _key(principal: str, call_id: str) -> str:
    return f"{principal}{_BETWEEN}{call_id}"
