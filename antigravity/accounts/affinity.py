"""Which account a conversation belongs to: pure.

The prompt caches of upstreams are per account and model, so a conversation stays where it is
for as long as that makes sense.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

#: A binding's age is not worth writing down more often than this.
_REFRESH: Final = 60.0


def weight(session: str, credential: str) -> int:
    """Return how much an account is a conversation's, by rendezvous hashing.

    Every process comes to the same order without talking to others, and an account that
    comes or goes moves only the conversations that are its own.
    """
    data = f"{session}\0{credential}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


class _Row(Struct, frozen=True):
    """A binding as plain data."""

    session: str
    upstream: str
    family: str
    credential: str
    used: float


_Key = tuple[str, str, str]


class Bindings:
    """Conversations and their accounts, for each upstream and family of models.

    Bounded: those that were not used for longest go first.  ``now`` returns seconds that pass
    evenly, ``wall`` seconds since the epoch, which go into snapshots.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        ttl: float = 24 * 3600.0,
        max_entries: int = 10_000,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._now = now
        self._wall = wall or now
        self._ttl = ttl
        self._max_entries = max_entries
        self._entries: OrderedDict[_Key, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session: str, upstream: str, family: str) -> str | None:
        """Return the account that a conversation belongs to, if any."""
        entry = self._entries.get((session, upstream, family))
        if entry is None or entry[1] + self._ttl <= self._now():
            return None
        return entry[0]

    def bind(self, session: str, upstream: str, family: str, credential: str) -> bool:
        """Note that an account serves a conversation; return whether that is worth keeping."""
        key = (session, upstream, family)
        now = self._now()
        known = self._entries.get(key)
        if known is not None and known[0] == credential and now - known[1] < _REFRESH:
            return False
        self._entries[key] = (credential, now)
        self._entries.move_to_end(key)
        self._trim()
        return True

    def drop(self, session: str, upstream: str, family: str, credential: str) -> bool:
        """Forget that a conversation belongs to this account, if it does."""
        key = (session, upstream, family)
        known = self._entries.get(key)
        if known is None or known[0] != credential:
            return False
        del self._entries[key]
        return True

    def drop_account(self, credential: str) -> bool:
        """Forget all conversations of an account; return whether there were any."""
        found = [key for key, (bound, _) in self._entries.items() if bound == credential]
        for key in found:
            del self._entries[key]
        return bool(found)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def counts(self) -> Counter[str]:
        """Return the number of conversations of each account."""
        self._trim()
        return Counter(credential for credential, _ in self._entries.values())

    def snapshot(self) -> list[dict[str, Any]]:
        """Return everything as plain data, least recently used first."""
        self._trim()
        ahead = self._wall() - self._now()
        rows = [_Row(*key, owner, used + ahead) for key, (owner, used) in self._entries.items()]
        return [msgspec.to_builtins(row) for row in rows]

    def restore(self, data: object) -> int:
        """Take in a snapshot; return how many of its entries made no sense."""
        items = data if isinstance(data, list) else []
        bad = 0
        for item in items:
            try:
                row = msgspec.convert(item, _Row)
            except msgspec.ValidationError:
                bad += 1
                continue
            used = min(row.used - (self._wall() - self._now()), self._now())
            self._entries[row.session, row.upstream, row.family] = (row.credential, used)
        self._entries = OrderedDict(sorted(self._entries.items(), key=lambda item: item[1][1]))
        self._trim()
        return bad

    def _trim(self) -> None:
        now = self._now()
        while self._entries:
            _, used = next(iter(self._entries.values()))
            if used + self._ttl > now and len(self._entries) <= self._max_entries:
                return
            self._entries.popitem(last=False)
