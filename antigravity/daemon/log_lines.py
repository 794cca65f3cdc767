"""The log of a process that another one writes: one line of JSON for each event."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from twisted.logger import (
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)

from antigravity.daemon.log_output import TextObserver

#: The most bytes of a line that has no end yet; the rest of a longer one is a line of its own.
_LONGEST: Final = 256 * 1024
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(tuple[float | None, str, str, str]).decode


class LineObserver(TextObserver):
    """Writes time, level, namespace and text of each event.

    Lines of some moments are written together: each write wakes the other process.
    """

    delay = 0.05

    def _format(self, event: LogEvent) -> str | None:
        text = event.get("log_format")
        if type(text) is not str or "{" in text or "}" in text:
            text = formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text = f"{text}\n{failure.getTraceback()}"
        if not text:
            return None
        level = event.get("log_level")
        line = (
            event.get("log_time"),
            "info" if level is None else level.name,
            event.get("log_namespace") or "-",
        )
        try:
            return _encode((*line, text)).decode() + "\n"
        except UnicodeEncodeError:  # lone surrogates
            clean = text.encode("utf-8", "backslashreplace").decode()
            return _encode((*line, clean)).decode() + "\n"


class LinePublisher:
    """Publishes the events that another process has written.

    :param name: what names it in lines that are no events, such as those of a crash.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._rests = [b"", b""]

    def feed(self, data: bytes) -> None:
        """Take a part of its log."""
        for line in self._lines(0, data):
            try:
                when, level, namespace, text = _decode(line)
                found = LogLevel.lookupByName(level)
            except (ValueError, TypeError, msgspec.DecodeError):
                self._publish_other(line, LogLevel.info)
                continue
            _publish(text, found, namespace, when)

    def feed_errors(self, data: bytes) -> None:
        """Take a part of what it writes besides its log."""
        for line in self._lines(1, data):
            self._publish_other(line, LogLevel.error)

    def _publish_other(self, line: bytes, level: Any) -> None:
        text = line.decode("utf-8", "backslashreplace")
        if text.strip():
            _publish(f"{self._name}: {text}", level, __name__, None)

    def _lines(self, number: int, data: bytes) -> list[bytes]:
        *lines, rest = (self._rests[number] + data).split(b"\n")
        if len(rest) > _LONGEST:
            lines.append(rest)
            rest = b""
        self._rests[number] = rest
        return lines


def _publish(text: str, level: Any, namespace: str, when: float | None) -> None:
    event: dict[str, Any] = {
        "log_level": level,
        "log_namespace": namespace,
        "log_format": text.replace("{", "{{").replace("}", "}}"),
    }
    if when is not None:
        event["log_time"] = when
    globalLogPublisher(event)
