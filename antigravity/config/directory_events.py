"""Events in directories, where the system reports them: inotify on Linux."""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.inotify import (
    IN_ATTRIB,
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    INotify,
    INotifyError,
)
from twisted.python.filepath import FilePath

#: Not writes: files that stay open, such as logs, are written all the time.
_EVENTS = (
    IN_ATTRIB
    | IN_CLOSE_WRITE
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
    | IN_MOVED_FROM
    | IN_MOVED_TO
)
_SELF = IN_DELETE_SELF | IN_MOVE_SELF


class DirectoryEvents:
    """Calls ``changed`` after events in some directories, not in those below them.

    Directories that are not there are not watched: see :func:`existing`.
    """

    def __init__(self, reactor: Any, changed: Callable[[], object]) -> None:
        self._reactor = reactor
        self._changed = changed
        self._watched: frozenset[Path] = frozenset()
        self._inotify: _Descriptor | None = None

    def watch(self, directories: Iterable[Path]) -> bool:
        """Watch these directories instead of others; return whether the system reports events."""
        wanted = frozenset(directories)
        if self._inotify is not None and self._watched == wanted:
            return True
        self.stop()
        try:
            inotify = _Descriptor(self._reactor, self._lost)
        except (INotifyError, OSError):
            return False  # there are too many in the system
        inotify.startReading()
        self._inotify, self._watched = inotify, wanted
        try:
            for directory in wanted:
                inotify.watch(FilePath(str(directory)), _EVENTS, callbacks=[self._happened])
        except (INotifyError, OSError):
            self.stop()
            return False
        return True

    def stop(self) -> None:
        """Watch nothing."""
        inotify, self._inotify, self._watched = self._inotify, None, frozenset()
        if inotify is not None:
            inotify.close()

    def _happened(self, watch: object, path: object, events: int) -> None:
        if events & _SELF:  # the next call of watch begins anew
            self.stop()
        self._changed()

    def _lost(self) -> None:
        """Begin anew after the descriptor was closed, or could not be read."""
        self._inotify, self._watched = None, frozenset()
        self._changed()


class _Descriptor(INotify):
    """Watches directories until it is closed, or one of them is deleted."""

    def __init__(self, reactor: Any, lost: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._lost: Callable[[], None] | None = lost
        self._is_open = True

    def close(self) -> None:
        """Stop watching."""
        self._lost = None
        self.connectionLost(None)

    def connectionLost(self, reason: object) -> None:
        """Close the descriptor once, whoever asks for it."""
        if self._is_open:
            self._is_open = False
            self.stopReading()
            super().connectionLost(reason)
            self._fd = -1
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()


def existing(directory: Path) -> Path:
    """Return the directory, or the nearest one above it that is there."""
    return next((each for each in (directory, *directory.parents) if each.is_dir()), Path("/"))
