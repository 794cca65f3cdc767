"""Where state is kept that has to survive a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from zope.interface import Interface


class IStateStore(Interface):
    """Keeps one JSON object of somebody's."""

    def load() -> Mapping[str, Any]:
        """Return what was kept, nothing if there is none or it is of no use; never fail."""

    def watch(snapshot: Callable[[], Mapping[str, Any]]) -> None:
        """Take the function that returns what is to be kept, as plain data."""

    def changed() -> None:
        """Take note that there is something new to keep; it is written before long."""

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when the last change is written."""


class Entry(NamedTuple):
    """What is kept under one key, until ``expires`` (seconds since the epoch)."""

    key: str
    expires: float
    value: bytes


class IExpiringStore(Interface):
    """Keeps byte strings by key, each until its time.  No method waits for a disk, none fails."""

    def load() -> Deferred[list[Entry]]:
        """Return a Deferred that fires with what is kept, the oldest first."""

    def put(entry: Entry) -> None:
        """Keep something, before long, in place of what has the same key."""

    def delete(key: str) -> None:
        """Keep what has this key no longer."""

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when everything new is kept and all is closed."""
