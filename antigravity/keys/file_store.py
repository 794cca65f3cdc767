"""The keys of a home directory in files: the keys, and what they have spent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from antigravity.deferreds import call_in_thread
from antigravity.interfaces.key_store import Edit, IKeyStore, KeySet
from antigravity.interfaces.stores import IStateStore
from antigravity.keys.key_file import FILE_NAME, KeyFile
from antigravity.keys.spending import MemorySpending

SPENDING_FILE: Final = "spending.json"


@implementer(IKeyStore)
class FileKeyStore:
    """The files of one home; see :class:`IKeyStore`.

    The gateway watches the file of the keys, as it does its configuration.

    :param store: stores what was spent.
    :param now: returns the seconds since the epoch.
    """

    def __init__(
        self, reactor: Any, home: Path, store: IStateStore, now: Callable[[], float]
    ) -> None:
        self._reactor = reactor
        self._file = KeyFile(home / FILE_NAME)
        self._store = store
        self._is_started = False
        self.name = str(self._file.path)
        self.spending = MemorySpending(now)

    def start(self) -> Deferred[None]:
        """Read what was spent."""
        self._is_started = True
        self.spending.load(self._store)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Write what was spent."""
        return self._store.stop() if self._is_started else succeed(None)

    def load(self) -> Deferred[KeySet]:
        """Read the file, and forget what keys had spent that are gone."""
        return self._call(self._file.load)

    def change(self, edit: Edit) -> Deferred[KeySet]:
        """Change the file."""
        return self._call(self._file.change, edit)

    def watch(self, changed: Callable[[], None], lost: Callable[[str], None]) -> None:
        """Do nothing: the gateway watches the file."""

    def _call(self, function: Callable[..., KeySet], *arguments: Any) -> Deferred[KeySet]:
        return call_in_thread(self._reactor, function, *arguments).addCallback(self._keep)

    def _keep(self, found: KeySet) -> KeySet:
        if self._is_started:
            self.spending.keep(
                {str(each.get("id")) for each in found.keys if isinstance(each, dict)}
            )
        return found
