"""Credentials in the error events of streams that are passed on.  Sans-IO."""

from __future__ import annotations

import re
from typing import Final

from antigravity.redaction.credentials import CREDENTIALS, Credentials
from antigravity.redaction.errors import may_tell_of_errors, redact_errors
from antigravity.sse import EventSplitter, SseDecoder

#: The blank lines between events.
_BLANK: Final = re.compile(rb"((?>\r\n|\n|\r){2,})")
#: The lines of an event that are looked at by what they mean.
_FIELDS: Final = (b"data:", b"event:")


def redact_events(events: bytes, credentials: Credentials = CREDENTIALS) -> bytes:
    """Return whole events without credentials in what they say of errors, or in comments."""
    pieces = _BLANK.split(events)
    return b"".join([_redact_event(piece, credentials) for piece in pieces])


def _redact_event(block: bytes, credentials: Credentials) -> bytes:
    decoder = SseDecoder()
    frames = [*decoder.feed(block), *decoder.close()]
    for frame in frames:
        redacted = redact_errors(frame.data, frame.event, credentials)
        if redacted == frame.data:
            continue
        if frame.data in block:
            block = block.replace(frame.data, redacted)
        else:  # its data stands on several lines
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
    """Return whether a line is a comment; comments are passed on to the client."""
    return events.startswith(b":") or b"\n:" in events or b"\r:" in events


class EventRedactor:
    """Hands on whole events, without credentials in what they say of errors.

    :raises EventTooLargeError: from :meth:`feed`, when one event exceeds the cutter's limit.
    """

    def __init__(self) -> None:
        self._cutter = EventSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Return all that is now known to belong to whole events."""
        whole = self._cutter.feed(chunk)
        suspect = may_tell_of_errors(whole) or has_comments(whole)
        return redact_events(whole) if suspect else whole

    def rest(self) -> bytes:
        """Return what stands behind the last whole event."""
        return redact_events(self._cutter.rest())
