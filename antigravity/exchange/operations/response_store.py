"""Answers of one client that are kept here, and those of which it is known who keeps them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from antigravity.stores.bounded_cache import BoundedCache

_HERE: Final = b"="
_THERE: Final = b">"
#: Stands between API key and name; no key has it.
_BETWEEN: Final = "\0"


class Origin(Struct, frozen=True):
    """The account, and the upstream's name for the model, that an answer was made with."""

    upstream: str
    credential: str
    model: str


_ORIGIN: Final = msgspec.json.Decoder(Origin)


class KeptAnswers:
    """What is known of the answers to one API key; nobody sees another's."""

    def __init__(self, store: BoundedCache, principal: str) -> None:
        self._store = store
        self._principal = principal

    def find(self, name: str) -> bytes | Origin | None:
        """Return what was kept of an answer, or who keeps it."""
        found = self._store.get(self._key(name))
        if found is None:
            return None
        rest = found[1:]
        return rest if found.startswith(_HERE) else _ORIGIN.decode(rest)

    def is_anothers(self, name: str) -> bool:
        """Return whether an answer, which is not known to this key, was given to another one."""
        return self._store.has_ending(f"{_BETWEEN}{name}")

    def keep(self, name: str, snapshot: bytes) -> None:
        """Keep an answer."""
        self._store.put(self._key(name), _HERE + snapshot)

    def point(self, name: str, origin: Origin) -> None:
        """Take note of who keeps an answer."""
        self._store.put(self._key(name), _THERE + msgspec.json.encode(origin))

    def forget(self, name: str) -> None:
        """Know nothing of an answer any more."""
        self._store.delete(self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._principal}{_BETWEEN}{name}"
