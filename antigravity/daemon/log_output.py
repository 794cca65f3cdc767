"""The log of a process in the foreground: what Twisted writes, at a fraction of the cost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TextIO

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEventAsClassicLogText,
    formatTime,
    globalLogPublisher,
)
from zope.interface import implementer

#: Keys of events whose lines are not only time, namespace, level and format.
_SPECIAL: Final = ("log_failure", "log_flattened", "log_system")
#: Levels whose lines are written at once.
_URGENT: Final = (LogLevel.warn, LogLevel.error, LogLevel.critical)
#: A line is written at once if there was none for so many seconds.
_QUIET: Final = 0.01
#: The most characters that wait.
_LONGEST: Final = 64 * 1024
#: The number of namespaces, each with a level, that are remembered.
_MOST_SYSTEMS: Final = 1000


class _Times:
    """Formats the times of log lines, each second once."""

    def __init__(self) -> None:
        self._second: int | None = None
        self._text = ""

    def format(self, when: float | None) -> str:
        """Return a time as Twisted formats it, to the second."""
        if when is None:
            return formatTime(None)
        second = int(when)
        if second != self._second:
            self._text = formatTime(second)
            self._second = second
        return self._text


@implementer(ILogObserver)
class TextObserver:
    """Writes the lines of ``textFileLogObserver``.

    That one formats each time and each text anew, and flushes each line.  Here the lines of a turn
    of the event loop are written together at its end, but those of warnings and errors at once,
    with all before them.  They are one call of the system also if the file has no buffer, as with
    ``PYTHONUNBUFFERED``.

    :param loop: the reactor; without one, or while it does not run, each line is written at once.
    :cvar delay: seconds after which lines are written together; 0 is the end of the turn.
    """

    delay = 0.0

    def __init__(self, file: TextIO | TeeFile, loop: Any = None) -> None:
        self._file = file
        self._loop = loop
        self._times = _Times()
        self._systems: dict[tuple[str, Any], str] = {}
        self._lines: list[str] = []
        self._length = 0
        self._logged = float("-inf")
        self._is_scheduled = False

    def __call__(self, event: LogEvent) -> None:
        """Write the line of one event."""
        text = self._format(event)
        if not text:
            return
        self._lines.append(text)
        self._length += len(text)
        is_urgent = event.get("log_level") in _URGENT or self._length > _LONGEST
        if is_urgent or self._loop is None or not self._loop.running or self._is_quiet():
            self._write()
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._loop.callLater(self.delay, self._end_turn)

    def _is_quiet(self) -> bool:
        """Return whether this is the first line after a pause.

        The clock says so: the lines of a worker have their own times, and come together.
        """
        if self.delay:
            return False
        before, self._logged = self._logged, self._loop.seconds()
        return not 0 <= self._logged - before < _QUIET

    def _end_turn(self) -> None:
        self._is_scheduled = False
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            self._write()

    def _write(self) -> None:
        lines, self._lines, self._length = self._lines, [], 0
        self._file.write("".join(lines))
        self._file.flush()

    def _format(self, event: LogEvent) -> str | None:
        """Return the line of an event."""
        text = event.get("log_format")
        if type(text) is not str or "{" in text or "}" in text or not text:
            return self._format_slowly(event)
        for key in _SPECIAL:
            if key in event:
                return self._format_slowly(event)
        kind = event.get("log_namespace", "-"), event.get("log_level")
        system = self._systems.get(kind)
        if system is None:
            system = _system(*kind)
            if len(self._systems) < _MOST_SYSTEMS:
                self._systems[kind] = system
        if "\n" in text:
            text = text.replace("\n", "\n\t")
        return f"{self._times.format(event.get('log_time'))} [{system}] {text}\n"

    def _format_slowly(self, event: LogEvent) -> str | None:
        return formatEventAsClassicLogText(event, formatTime=self._times.format)


def _system(namespace: str, level: Any) -> str:
    """Return what Twisted writes for the namespace and the level of an event."""
    return f"{namespace}#{'-' if level is None else level.name}"


class TeeFile:
    """A text file that is written to two places.

    :param second: gets texts, also if the first file cannot be written; it must not raise.
    """

    def __init__(self, first: TextIO, second: Callable[[str], None]) -> None:
        self._first = first
        self._second = second

    def write(self, text: str) -> None:
        """Write a text to both."""
        self._second(text)
        self._first.write(text)

    def flush(self) -> None:
        """Flush the first."""
        self._first.flush()


def write_log(
    application: Any,
    options: Mapping[str, Any],
    loop: Any,
    keep: Callable[[str], None] | None = None,
) -> None:
    """Let ``application`` write its log with a :class:`TextObserver`, and keep it.

    If the log goes to the terminal, each line is formatted once for both.

    :param options: those of ``twistd``, which may name another log.
    :param loop: the reactor.
    :param keep: writes lines to another place; it must not raise.
    """
    elsewhere = any(options.get(name) for name in ("logger", "logfile", "syslog"))
    if ILogObserver(application, None) is not None:
        return
    if elsewhere or not options.get("nodaemon"):
        if keep is not None:
            nowhere: Any = NullFile()
            globalLogPublisher.addObserver(TextObserver(TeeFile(nowhere, keep), loop))
        return
    screen = sys.stdout if keep is None else TeeFile(sys.stdout, keep)
    application.setComponent(ILogObserver, TextObserver(screen, loop))


class NullFile:
    """A text file that forgets what is written."""

    def write(self, text: str) -> None:
        """Forget a text."""

    def flush(self) -> None:
        """Do nothing."""
