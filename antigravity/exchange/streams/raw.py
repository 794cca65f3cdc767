"""Responses that are passed on unchanged, such as audio.  Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.exchange.response_headers import Headers
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.usage import Usage
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.redaction.events import EventRedactor
from antigravity.sse import EventTooLargeError

_NAME: Final = "content-disposition"


class RawStream:
    """Unchanged bytes.  They cannot carry an error, so the client's stream is truncated, too."""

    def __init__(self) -> None:
        self.over = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the chunk."""
        self.meaningful = self.meaningful or bool(data)
        return data

    def end(self, error: GatewayError | None) -> bytes:
        """Store how the body ended."""
        self.over = True
        self.failure = error
        return b""

    def estimate_output(self) -> int:
        """Return 0: a file is no text."""
        return 0

    def keepalive(self) -> bytes:
        """Return nothing: no byte is without meaning."""
        return b""


class RawEventStream(RawStream):
    """Unchanged events that are not parsed, without credentials in errors."""

    def __init__(self) -> None:
        super().__init__()
        self._redactor = EventRedactor()

    def feed(self, data: bytes) -> bytes:
        """Return the events that a chunk completes."""
        try:
            return super().feed(self._redactor.feed(data))
        except EventTooLargeError as error:
            self.over = True
            self.failure = UpstreamError(f"The upstream's response cannot be read: {error}.")
            return b""

    def end(self, error: GatewayError | None) -> bytes:
        """Return the bytes after the last whole event."""
        super().end(error)
        return self._redactor.rest()


def file_headers(headers: Mapping[str, str]) -> Headers:
    """Return the headers of a file besides its type."""
    return ((_NAME, CREDENTIALS.redact(headers[_NAME])),) if _NAME in headers else ()


def is_json(content_type: str) -> bool:
    """Return whether a ``Content-Type`` is JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def is_events(content_type: str) -> bool:
    """Return whether a ``Content-Type`` is a stream of server-sent events."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def is_html(content_type: str) -> bool:
    """Return whether a ``Content-Type`` is a web page."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")
