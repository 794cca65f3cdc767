"""Answers that are no JSON and no events, such as sound: passed on byte for byte.  Sans-IO."""

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
    """Bytes as they come.  There is no word for an error in them: a cut has to stay one."""

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
        """Take note of how the body ended."""
        self.over = True
        self.failure = error
        return b""

    def keepalive(self) -> bytes:
        """Return nothing: every byte means something."""
        return b""


class RawEventStream(RawStream):
    """Events as they come, of which nothing has to be known, without credentials in errors."""

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
        """Return what stands behind the last whole event."""
        super().end(error)
        return self._redactor.rest()


def file_headers(headers: Mapping[str, str]) -> Headers:
    """Return what a client needs to know of a file besides its type."""
    return ((_NAME, CREDENTIALS.redact(headers[_NAME])),) if _NAME in headers else ()


def is_json(content_type: str) -> bool:
    """Return whether an answer is JSON, as its ``Content-Type`` says."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def is_events(content_type: str) -> bool:
    """Return whether an answer is a stream of events, as its ``Content-Type`` says."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def is_html(content_type: str) -> bool:
    """Return whether an answer is a web page, as its ``Content-Type`` says."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")
