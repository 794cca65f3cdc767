"""Notice that files have changed, by looking at them now and then."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.config.settings import Settings

#: Seconds between two looks.
INTERVAL = 2.0

_Look = tuple[tuple[str, int, int, int], ...]


class FileWatcher(Service):
    """Calls ``changed`` once after any of ``paths`` has changed, or something in a folder has.

    A look costs a few ``stat`` calls; there is nothing to install, and it works on every
    file system.  A change is reported when two looks in a row agree, so that a file that is
    being written is not read half.
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
        self._known: _Look = ()
        self._pending: _Look | None = None

    def startService(self) -> None:
        """Remember how things are, and look from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self._known = self._look()
        self._arm()

    def stopService(self) -> Any:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _arm(self) -> None:
        self._timer = self._clock.callLater(INTERVAL, self._tick)

    def _tick(self) -> None:
        self._arm()
        now = self._look()
        if now == self._known:
            self._pending = None
        elif now == self._pending:
            self._known, self._pending = now, None
            self._changed()
        else:
            self._pending = now

    def _look(self) -> _Look:
        seen = []
        for path in self._paths():
            seen.append(_signs(path))
            seen += [_signs(path / name) for name in _names(path)]
        return tuple(seen)


def _names(path: Path) -> list[str]:
    """Return what is in a folder, nothing if it is none or cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _signs(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def watched_files(home: Path, file: Path, settings: Settings) -> Sequence[Path]:
    """Return the files and folders that make up a configuration."""
    tables = [home / Path(name).expanduser() for name in settings.models.files]
    return (file, home / "accounts", *tables)
