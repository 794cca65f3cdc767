"""State in one JSON file, written as a whole, at intervals, readable by its owner only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from antigravity.config.atomic import remove_leftovers_of, write_private
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.stores import IStateStore
from antigravity.logs import make_logger

#: The version of the file format.
VERSION: Final = 1
#: Larger files are ignored, since the gateway does not write them.
_LARGEST: Final = 64 * 1024 * 1024


def open_state(reactor: Any, path: Path, *, delay: float = 3.0) -> JsonState:
    """Return a store for state in one JSON file, written ``delay`` seconds after a change."""
    return JsonState(
        path,
        reactor,
        write=write_private,
        clean=remove_leftovers_of,
        run=partial(call_in_thread, reactor),
        delay=delay,
    )


@implementer(IStateStore)
class JsonState:
    """Stores one JSON object in a file.

    The folder of the file is created if it is missing, but no folder above it, since the home
    directory may not be mounted.

    :param write: replaces a file atomically.
    :param run: calls a function, possibly in a thread, and returns a Deferred with its result.
    :param delay: the seconds after the first change until the file is written.
    :param clean: removes temporary files that a killed process left beside a file.
    """

    log = make_logger()

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        write: Callable[[Path, bytes], None],
        run: Callable[..., Deferred[Any]] = maybeDeferred,
        delay: float = 3.0,
        clean: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._write = write
        self._run = run
        self._delay = delay
        self._clean = clean
        self._snapshot: Callable[[], Mapping[str, Any]] | None = None
        self._timer: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._dirty = False
        self._open = False
        self._stopping: list[Deferred[None]] = []

    def load(self) -> Mapping[str, Any]:
        """Return the stored object; an invalid file is reported and not changed."""
        try:
            self._clean(self._path)
            if self._path.stat().st_size > _LARGEST:
                raise ValueError("it is too large")
            value = msgspec.json.decode(self._path.read_bytes())
            if not isinstance(value, dict) or value.get("version") != VERSION:
                raise ValueError("it has another version")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self.log.error("{path} is ignored: {error}", path=str(self._path), error=str(error))
            return {}
        return value

    def watch(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        """Set the function that returns the object to store."""
        self._snapshot = snapshot
        self._open = True

    def changed(self) -> None:
        """Schedule a write of the object, unless the store is stopped."""
        if not self._open:
            return
        self._dirty = True
        if self._timer is None and self._writing is None:
            self._timer = self._clock.callLater(self._delay, self._due)

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when the last change is written."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is None and not self._dirty:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        if self._writing is None:
            self._save()
        return stopped

    def _due(self) -> None:
        self._timer = None
        self._save()

    def _save(self) -> None:
        """Write the current object."""
        self._dirty = False
        if self._snapshot is None:
            self._written(None)
            return
        data = msgspec.json.encode({"version": VERSION, **self._snapshot()})
        self._writing = writing = self._run(self._replace, data)
        writing.addErrback(self._failed)
        writing.addCallback(self._written)

    def _replace(self, data: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        if os.name != "nt":
            self._path.parent.chmod(0o700)
        self._write(self._path, data)

    def _failed(self, failure: Any) -> None:
        failure.trap(Exception)
        self.log.error(
            "{path} cannot be written: {error}", path=str(self._path), error=str(failure.value)
        )

    def _written(self, _: object) -> None:
        """Handle changes during the write, then fire the Deferreds of :meth:`stop`."""
        self._writing = None
        if self._dirty and self._stopping:
            self._save()
            return
        if self._dirty:
            self.changed()
        stopping, self._stopping = self._stopping, []
        for each in stopping:
            each.callback(None)
