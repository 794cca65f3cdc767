"""Changes of the configuration file by the operator of a running gateway."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks

from antigravity.config.atomic import write_atomically
from antigravity.config.errors import ConfigurationError
from antigravity.config.file_edits import Changes, changed_text
from antigravity.config.known_names import KnownNames
from antigravity.config.paths import dotted
from antigravity.config.raw_configuration import RawConfiguration, read_file
from antigravity.config.snapshot import Configuration
from antigravity.config.validation import validate
from antigravity.deferreds import call_in_thread
from antigravity.ir.errors import ConflictError

#: Larger files take too long to change.
_LARGEST: Final = 1024 * 1024
#: Returns a file, its content, and its new content.
Prepare = Callable[[Configuration | None], tuple[Path, bytes, bytes]]


class ConfigurationEditor:
    """Writes settings into the configuration file, one change after another, and reloads it.

    Comments stay, the file is replaced as a whole, and a file that the gateway refuses is put back.

    :param source: returns the configuration in force, ``None`` if it was not read from a file.
    :param reload: reads the file; its Deferred fails if the file cannot be used.
    """

    def __init__(
        self,
        reactor: Any,
        source: Callable[[], Configuration | None],
        reload: Callable[[], Deferred[None]],
    ) -> None:
        self._reactor = reactor
        self._source = source
        self._reload = reload
        self._changing = DeferredLock()

    def check(self, changes: Changes, known: KnownNames) -> Deferred[None]:
        """Return a Deferred that fires if the changes can be made; nothing is written.

        It fails like that of :meth:`change`.
        """
        return call_in_thread(self._reactor, _prepare, self._source(), changes, known)

    def change(self, changes: Changes, known: KnownNames) -> Deferred[None]:
        """Return a Deferred that fires when the changes are written and in force.

        It fails with a ``ConflictError`` if they cannot be made, whose message says why.
        """
        return self.write(lambda source: _prepare(source, changes, known))

    def write(self, prepare: Prepare) -> Deferred[None]:
        """Return a Deferred that fires when what ``prepare`` returns is written and in force.

        ``prepare`` is called in a thread.  The Deferred fails with its error, or with a
        ``ConflictError`` if the file cannot be used; it is then as before.
        """
        return self._changing.run(self._write, prepare)

    @inlineCallbacks
    def _write(self, prepare: Prepare) -> Any:
        path, before, after = yield call_in_thread(self._reactor, prepare, self._source())
        if before == after:
            return
        yield call_in_thread(self._reactor, _replace, path, before, after)
        try:
            yield self._reload()
        except Exception as error:
            yield call_in_thread(self._reactor, _replace, path, after, before)
            raise ConflictError(
                f"The new configuration is not used, and the file is as before: {error}",
                code="bad_configuration",
            ) from error


def _prepare(
    source: Configuration | None, changes: Changes, known: KnownNames
) -> tuple[Path, bytes, bytes]:
    """Return the file, its content, and its content with the changes.

    :raises ConflictError: if they cannot be made.
    """
    source = require_file(source)
    for key in changes:
        origin = source.raw.override(key)
        if origin is not None:
            raise ConflictError(
                f"{dotted(key)} is set by {origin}, which overrides the file: change it there.",
                code="setting_overridden",
            )
    path = source.file.resolve()
    try:
        before = read_file(path)
        if len(before) > _LARGEST:
            raise ConflictError(f"{path} is larger than {_LARGEST} bytes.  Edit the file itself.")
        after = changed_text(before.decode(), changes).encode()
        if after != before:
            validate(with_environment(path, after), known)
    except OSError as error:
        raise ConflictError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConflictError(f"{path} is not UTF-8 text.  Edit the file itself.") from None
    except ConfigurationError as error:
        problems = "; ".join(str(each) for each in error.problems if each.severity == "error")
        raise ConflictError(problems, code="bad_configuration") from error
    return path, before, after


def require_file(source: Configuration | None) -> Configuration:
    """Return the configuration in force.

    :raises ConflictError: if it was not read from a file.
    """
    if source is None or not source.raw.has_file:
        raise ConflictError(
            "The gateway has read no configuration file, so there is nothing to write to.  Create "
            "antigravity.toml in its home directory, then reload.",
            code="no_configuration_file",
        )
    return source


def with_environment(path: Path, content: bytes) -> RawConfiguration:
    """Return the configuration of a file with other content."""
    raw = RawConfiguration(path, content)
    raw.read_environment(os.environ)
    return raw


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """Replace a file that is still as it was read.

    :raises ConflictError: if it has changed since then, or cannot be written.
    """
    try:
        if read_file(path) != before:
            raise ConflictError(
                f"{path} has been changed meanwhile.  Nothing was written; try again.",
                code="configuration_changed",
            )
        mode = stat.S_IMODE(path.stat().st_mode) & 0o666
        write_atomically(path, after, mode=mode)
    except OSError as error:
        raise ConflictError(
            f"{path} cannot be written: {error.strerror}.  Give the gateway's user the right to "
            "write to its folder, or edit the file yourself."
        ) from error
