"""Remember the thinking behind tool calls, for a while and within bounds.

What one API key's conversations made is never given to another's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from antigravity.ir.parts import Thinking
from antigravity.ir.signature import Signature


class Memory(Struct, frozen=True):
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


class SignatureStore:
    """Memories by API key and tool-call id; the oldest go first.

    ``now`` returns seconds; ``ttl`` is in seconds, ``max_bytes`` in bytes.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        ttl: float = 7200.0,
        max_entries: int = 20_000,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._now = now
        self._ttl = ttl
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str, str], tuple[float, Memory]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def remember(self, principal: str, call_id: str, memory: Memory) -> None:
        """Keep what belongs to a call."""
        key = (principal, call_id)
        self._drop(key)
        self._entries[key] = (self._now() + self._ttl, memory)
        self._bytes += memory.size
        self._trim()

    def recall(self, principal: str, call_id: str) -> Memory | None:
        """Return what belongs to a call, if it is still known."""
        entry = self._entries.get((principal, call_id))
        if entry is None or entry[0] <= self._now():
            return None
        return entry[1]

    def _trim(self) -> None:
        now = self._now()
        while self._entries:
            key, (expires, _) = next(iter(self._entries.items()))
            full = len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            if not full and expires > now:
                return
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1].size
