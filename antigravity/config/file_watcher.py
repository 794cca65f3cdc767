"""Watch files for changes by polling."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.config.settings import Settings

#: Seconds between two polls.
INTERVAL = 2.0

_FileStates = tuple[tuple[str, int, int, int], ...]


class FileWatcher(Service):
    """A service that calls ``changed`` after a change of any of ``paths``, or of a file in one.

    Polling costs a few ``stat`` calls and works on every file system.  A change is reported when
    two polls in a row agree, so that no half-written file is read.
    """

    def __init__(
        self,
        clock: IReactorTime,
        paths: Callable[[], Sequence[Path]],
        changed: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._paths = paths
        self._changed = changed
        self._timer: IDelayedCall | None = None
        self._known: _FileStates = ()
        self._pending: _FileStates | None = None

    def startService(self) -> None:
        """Record the current state and start polling."""
        super().startService()  # type: ignore[no-untyped-call]
        self._known = self._snapshot()
        self._arm()

    def stopService(self) -> Any:
        """Stop polling."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _arm(self) -> None:
        self._timer = self._clock.callLater(INTERVAL, self._tick)

    def _tick(self) -> None:
        self._arm()
        now = self._snapshot()
        if now == self._known:
            self._pending = None
        elif now == self._pending:
            self._known, self._pending = now, None
            self._changed()
        else:
            self._pending = now

    def _snapshot(self) -> _FileStates:
        seen = []
        for path in self._paths():
            seen.append(_file_state(path))
            seen += [_file_state(path / name) for name in _names(path)]
        return tuple(seen)


def _names(path: Path) -> list[str]:
    """Return the names in a folder; none if it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _file_state(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def watched_files(home: Path, file: Path, settings: Settings) -> Sequence[Path]:
    """Return the files and folders that make up a configuration."""
    tables = [home / Path(name).expanduser() for name in settings.models.files]
    return (file, home / "accounts", *tables)
