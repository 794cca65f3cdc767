"""Bindings of sessions to accounts.  Pure.

Upstreams keep prompt caches per account and model, so a session stays with its account.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.accounts import UpstreamModel

#: Seconds after its last use when a binding ends.
TTL: Final = 24 * 3600.0
#: The time of a binding's last use is stored at most this often, in seconds.
_REFRESH: Final = 60.0


def rendezvous_weight(session: str, credential: str) -> int:
    """Return the weight of an account for a session, by rendezvous hashing.

    All processes get the same order without communication, and an added or removed account moves
    only its own sessions.
    """
    data = f"{session}\0{credential}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


class _Row(Struct, frozen=True):
    """A binding in the state file; ``family`` is the model."""

    session: str
    upstream: str
    family: str
    credential: str
    used: float


_Key = tuple[str, str, str]


class Bindings:
    """The account of each session, by upstream and model.

    The least recently used bindings are removed first.

    :param now: returns seconds that pass evenly.
    :param wall: returns seconds since the epoch, for snapshots.
    :param ttl: the seconds after its last use when a binding ends.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        ttl: float = TTL,
        max_entries: int = 10_000,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._now = now
        self._wall = wall or now
        self._ttl = ttl
        self._max_entries = max_entries
        self._entries: OrderedDict[_Key, tuple[str, float]] = OrderedDict()
        #: How often a session kept its account, moved to another one, or was new.
        self.uses = {"kept": 0, "moved": 0, "new": 0}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session: str, upstream: str, model: str) -> str | None:
        """Return the account that a session is bound to, if there is one."""
        entry = self._entries.get((session, upstream, model))
        if entry is None or entry[1] + self._ttl <= self._now():
            return None
        return entry[0]

    def accounts(
        self, session: str, upstream_models: Iterable[UpstreamModel]
    ) -> list[tuple[UpstreamModel, str]]:
        """Return those of some upstream models for which a session is bound, with the accounts."""
        bound = ((each, self.get(session, each.upstream, each.model)) for each in upstream_models)
        return [(each, account) for each, account in bound if account is not None]

    def bind(self, session: str, upstream: str, model: str, credential: str) -> bool:
        """Bind a session to an account; return whether the state needs to be stored."""
        key = (session, upstream, model)
        now = self._now()
        known = self._entries.get(key)
        if known is None or known[1] + self._ttl <= now:
            self.uses["new"] += 1
        elif known[0] != credential:
            self.uses["moved"] += 1
        else:
            self.uses["kept"] += 1
            if now - known[1] < _REFRESH:
                return False
        self._entries[key] = (credential, now)
        self._entries.move_to_end(key)
        self._trim()
        return True

    def unbind(self, session: str, upstream: str, model: str, credential: str) -> bool:
        """Remove the binding of a session to this account; return whether there was one."""
        key = (session, upstream, model)
        known = self._entries.get(key)
        if known is None or known[0] != credential:
            return False
        del self._entries[key]
        return True

    def move(self, session: str, upstream: str, model: str, credential: str) -> None:
        """Bind a session as another gateway has bound it."""
        key = (session, upstream, model)
        self._entries[key] = (credential, self._now())
        self._entries.move_to_end(key)
        self._trim()

    def remove(self, session: str, upstream: str, model: str) -> None:
        """Remove the binding of a session, if there is one."""
        self._entries.pop((session, upstream, model), None)

    def unbind_account(self, credential: str) -> bool:
        """Remove all bindings to an account; return whether there were any."""
        found = [key for key, (bound, _) in self._entries.items() if bound == credential]
        for key in found:
            del self._entries[key]
        return bool(found)

    def clear(self) -> None:
        """Remove all bindings."""
        self._entries.clear()

    def counts(self) -> Counter[str]:
        """Return the number of sessions of each account."""
        self._trim()
        return Counter(credential for credential, _ in self._entries.values())

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all bindings as plain data, least recently used first."""
        self._trim()
        ahead = self._wall() - self._now()
        rows = [_Row(*key, owner, used + ahead) for key, (owner, used) in self._entries.items()]
        return [msgspec.to_builtins(row) for row in rows]

    def restore(self, data: object) -> int:
        """Restore a snapshot; return the number of its invalid entries."""
        items = data if isinstance(data, list) else []
        invalid = 0
        for item in items:
            try:
                row = msgspec.convert(item, _Row)
            except msgspec.ValidationError:
                invalid += 1
                continue
            used = min(row.used - (self._wall() - self._now()), self._now())
            self._entries[row.session, row.upstream, row.family] = (row.credential, used)
        self._entries = OrderedDict(sorted(self._entries.items(), key=lambda item: item[1][1]))
        self._trim()
        return invalid

    def _trim(self) -> None:
        now = self._now()
        while self._entries:
            _, used = next(iter(self._entries.values()))
            if used + self._ttl > now and len(self._entries) <= self._max_entries:
                return
            self._entries.popitem(last=False)
