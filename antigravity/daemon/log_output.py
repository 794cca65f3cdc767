"""The log of a process in the foreground: what Twisted writes, at half the cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    formatEventAsClassicLogText,
    formatTime,
)


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


def text_observer(file: IO[Any]) -> FileLogObserver:
    """Return an observer that writes the lines of ``textFileLogObserver``.

    That one spends half of its time on formatting times.
    """
    times = _Times()
    return FileLogObserver(
        file, lambda event: formatEventAsClassicLogText(event, formatTime=times.format)
    )


def write_log(application: Any, options: Mapping[str, Any]) -> None:
    """Let ``application`` write its log with :func:`text_observer`, if it goes to the terminal.

    :param options: those of ``twistd``, which may name another log.
    """
    elsewhere = any(options.get(name) for name in ("logger", "logfile", "syslog"))
    if elsewhere or not options.get("nodaemon") or ILogObserver(application, None) is not None:
        return
    application.setComponent(ILogObserver, text_observer(sys.stdout))
