"""Watch files for changes: by events where the system has them, and by polling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.config.settings import Settings

if TYPE_CHECKING:
    from antigravity.config.directory_events import DirectoryEvents

#: Seconds between two polls.
INTERVAL: Final = 0.5
#: The same where events are reported: file systems of other machines have none.
SLOW_INTERVAL: Final = 2.0
#: Seconds between an event and a look at the files, and between two looks that must agree.
SETTLING_TIME: Final = 0.2

_FileStates = tuple[tuple[str, int, int, int], ...]
#: Makes what reports events, given the reactor and a function to call; ``None`` if there are none.
OpenEvents = Callable[[Any, Callable[[], None]], "DirectoryEvents | None"]


class FileWatcher(Service):
    """A service that calls ``changed`` after a change of any of ``paths``, or of a file in one.

    A look at the files costs a few ``stat`` calls and works on every file system.  A change is
    reported when two looks in a row agree, so that no half-written file is read.  However many
    events there are, there are five looks in a second at most.

    :param open_events: called in a thread after the start; without it, there is only polling.
    """

    def __init__(
        self,
        clock: IReactorTime,
        paths: Callable[[], Sequence[Path]],
        changed: Callable[[], object],
        open_events: OpenEvents | None = None,
    ) -> None:
        self._clock: Any = clock
        self._paths = paths
        self._changed = changed
        self._open_events = open_events
        self._events: DirectoryEvents | None = None
        self._has_events = False
        self._poll: IDelayedCall | None = None
        self._look: IDelayedCall | None = None
        self._known: _FileStates = ()
        self._pending: _FileStates | None = None

    @property
    def has_events(self) -> bool:
        """Whether the system reports events."""
        return self._has_events

    def startService(self) -> None:
        """Record the current state, and start watching."""
        super().startService()  # type: ignore[no-untyped-call]
        self._known = self._snapshot()
        self._arm()
        if self._open_events is not None:
            self._clock.callInThread(self._find_events, self._open_events)

    def stopService(self) -> Any:
        """Stop watching."""
        super().stopService()  # type: ignore[no-untyped-call]
        for timer in (self._poll, self._look):
            if timer is not None and timer.active():
                timer.cancel()
        self._poll = self._look = None
        events, self._events = self._events, None
        if events is not None:
            events.stop()

    def _find_events(self, open_events: OpenEvents) -> None:
        """Import what reports events, in a thread: that starts a program to find a library."""
        events = open_events(self._clock, self._look_soon)
        if events is not None:
            self._clock.callFromThread(self._use, events)

    def _use(self, events: DirectoryEvents) -> None:
        if self.running:
            self._events = events
            self._look_soon()  # which watches the directories

    def _arm(self) -> None:
        interval = SLOW_INTERVAL if self._has_events else INTERVAL
        self._poll = self._clock.callLater(interval, self._tick)

    def _tick(self) -> None:
        if self._look is None:
            self._watch()
            self._compare()
        self._arm()

    def _look_soon(self) -> None:
        if self.running and self._look is None:
            self._look = self._clock.callLater(SETTLING_TIME, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._watch()  # first, so that no change between the two is missed
        self._compare()
        if self._pending is not None:
            self._look_soon()

    def _watch(self) -> None:
        """Watch the directories that there are now."""
        if self._events is not None:
            self._has_events = self._events.watch(self._directories())

    def _compare(self) -> None:
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

    def _directories(self) -> set[Path]:
        """Return the directories in which something can change, or the nearest above them."""
        from antigravity.config.directory_events import existing

        return {existing(each) for path in self._paths() for each in _places(path.absolute())}


def open_events(reactor: Any, changed: Callable[[], None]) -> DirectoryEvents | None:
    """Return what reports events in directories; ``None`` where the system has none."""
    try:
        from antigravity.config.directory_events import DirectoryEvents
    except ImportError:
        return None
    return DirectoryEvents(reactor, changed)


def _places(path: Path) -> Iterator[Path]:
    """Yield where events of a path are: its directory, and those of what links point to."""
    yield path.parent
    if path.is_dir():
        yield path
    for _ in range(8):  # more links in a row are a mistake
        try:
            path = path.parent / os.readlink(path)
        except OSError:
            return
        yield path.parent


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
    return (file, home / "accounts", home / "keys.json", *tables)
