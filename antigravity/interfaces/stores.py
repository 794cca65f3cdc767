"""Stores for state that survives a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from zope.interface import Interface


class IStateStore(Interface):
    """A store of one JSON object."""

    def load() -> Mapping[str, Any]:
        """Return the stored object; it is empty if there is none or it is damaged.  Never fail."""

    def watch(snapshot: Callable[[], Mapping[str, Any]]) -> None:
        """Set the function that returns the object to store."""

    def changed() -> None:
        """Schedule a write of the object."""

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when the last change is written."""


class Entry(NamedTuple):
    """A value with its key, stored until ``expires`` (seconds since the epoch)."""

    key: str
    expires: float
    value: bytes


class IExpiringStore(Interface):
    """A store of byte strings by key that expire.  No method waits for a disk, and none fails."""

    def load() -> Deferred[list[Entry]]:
        """Return a Deferred that fires with all entries, oldest first."""

    def put(entry: Entry) -> None:
        """Schedule a write of an entry, which replaces one with the same key."""

    def delete(key: str) -> None:
        """Schedule the removal of an entry."""

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when all changes are written and the store is closed."""
