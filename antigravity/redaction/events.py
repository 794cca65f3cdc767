"""Removes credentials from error events in passed-through streams.  Sans-IO."""

from __future__ import annotations

import re
from typing import Final

from antigravity.redaction.credentials import CREDENTIALS, Credentials
from antigravity.redaction.errors import may_describe_error, redact_errors
from antigravity.sse import EventSplitter, SseDecoder

#: The blank lines between events.
_BLANK: Final = re.compile(rb"((?>\r\n|\n|\r){2,})")
#: The lines of an event that are decoded.
_FIELDS: Final = (b"data:", b"event:")
#: An event in the usual form, without the blank line after it.
_USUAL: Final = re.compile(rb"(?:event:([^\r\n]*)(?:\r\n|\n))?data: ([^\r\n]+)")


def redact_events(events: bytes, credentials: Credentials = CREDENTIALS) -> bytes:
    """Return whole events without credentials in their errors and comments."""
    pieces = _BLANK.split(events)
    return b"".join([_redact_event(piece, credentials) for piece in pieces])


def _redact_event(block: bytes, credentials: Credentials) -> bytes:
    usual = _USUAL.fullmatch(block)
    if usual is not None:
        name, data = usual.groups(b"")
        redacted = redact_errors(data, name.strip().decode("utf-8", "replace"), credentials)
        return block if redacted is data else block[: usual.start(2)] + redacted
    if not block.strip(b"\r\n"):
        return block
    decoder = SseDecoder()
    frames = [*decoder.feed(block), *decoder.close()]
    for frame in frames:
        redacted = redact_errors(frame.data, frame.event, credentials)
        if redacted == frame.data:
            continue
        if frame.data in block:
            block = block.replace(frame.data, redacted)
        else:  # its data spans several lines
            data = redacted.replace(b"\n", b"\ndata: ")
            name = f"event: {frame.event}\n".encode() if frame.event else b""
            block = name + b"data: " + data
    lines = block.splitlines(keepends=True)
    if all(line.startswith(_FIELDS) for line in lines):
        return block
    return b"".join(
        [line if line.startswith(_FIELDS) else credentials.redact_bytes(line) for line in lines]
    )


def has_comments(events: bytes) -> bool:
    """Return whether a line is a comment, which is passed on to the client."""
    return events.startswith(b":") or b"\n:" in events or b"\r:" in events


class EventRedactor:
    """Removes credentials from the errors of a stream, event by event.

    :raises EventTooLargeError: from :meth:`feed`, if one event exceeds the splitter's limit.
    """

    def __init__(self) -> None:
        self._splitter = EventSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that are complete after this chunk."""
        whole = self._splitter.feed(chunk)
        suspect = may_describe_error(whole) or has_comments(whole)
        return redact_events(whole) if suspect else whole

    def rest(self) -> bytes:
        """Return the bytes after the last complete event."""
        return redact_events(self._splitter.rest())
