"""Detects the form of an upstream's response, whatever its ``Content-Type`` says.

Servers send JSON in place of a stream, events in place of a whole response, and wrong types or
none.  The first bytes show the form.  Sans-IO.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from antigravity.ir.errors import UnusableResponseError
from antigravity.ir.printable import strip_controls
from antigravity.redaction.credentials import CREDENTIALS

Form = Literal["events", "json", "html", "text"]

#: Bytes of a text that are searched for events, and bytes that an error quotes.
TEXT_LIMIT: Final = 2048
_QUOTED: Final = 200
_MARK: Final = b"\xef\xbb\xbf"
_EVENTS: Final = re.compile(rb"(?:data|event|id|retry)[ \t]*(?:[:\r\n]|\Z)|:")
_LATER_EVENTS: Final = re.compile(rb"[\r\n](?:data|event)[ \t]*:")
#: Bytes of the longest field name and the byte after it.
_ENOUGH: Final = 8


class ResponseSource(Struct, frozen=True):
    """The upstream and the ``Content-Type`` of a response, for error messages."""

    upstream: str = ""
    content_type: str = ""

    def unusable(self, form: Form, text: bytes = b"") -> UnusableResponseError:
        """Return the error for a response that is neither JSON nor a stream of events."""
        kind = self.content_type.partition(";")[0].strip().lower()
        if form == "html" and "html" not in kind and "xml" not in kind:
            kind = "text/html"
        excerpt = CREDENTIALS.redact(strip_controls(text.decode("utf-8", "replace").strip()))[
            :_QUOTED
        ]
        quoted = f" It begins with: {excerpt}" if excerpt and form == "text" else ""
        who = f"The upstream {self.upstream}" if self.upstream else "The upstream"
        return UnusableResponseError(
            f"{who} sent {kind or 'text/plain'} where JSON or server-sent events were "
            f"expected; check its base_url.{quoted}",
            code="unusable_answer",
        )

    def not_a_completion(self) -> UnusableResponseError:
        """Return the error for JSON in which no part of a completion was found."""
        who = f"The upstream {self.upstream}" if self.upstream else "The upstream"
        return UnusableResponseError(
            f"{who} sent JSON that is not a completion; check its base_url and kind.",
            code="unusable_answer",
        )


class FormDetector:
    """Detects the form of one response; the bytes so far are in ``head``."""

    def __init__(self) -> None:
        self.head = b""

    def feed(self, chunk: bytes) -> Form | None:
        """Return the form, or ``None`` if more bytes are needed."""
        head = (self.head + chunk).lstrip() if self.head else chunk.lstrip()
        if head.startswith(_MARK):
            head = head[3:].lstrip()
        self.head = head
        return self._form(ended=False)

    def end(self) -> Form:
        """Return the form of a response that has ended; an empty one counts as events."""
        return self._form(ended=True) or "events"

    def _form(self, *, ended: bool) -> Form | None:
        head = self.head
        if not head or (len(head) < 3 and _MARK.startswith(head)):
            return None
        first = head[:1]
        if first in (b"{", b"["):
            return "json"
        if first == b"<":
            return "html"
        if len(head) < _ENOUGH and not ended and first != b":":
            return None
        if _EVENTS.match(head) or _LATER_EVENTS.search(head):
            return "events"
        return "text" if ended or len(head) > TEXT_LIMIT else None
