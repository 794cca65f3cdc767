"""Where state is kept that has to survive a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
