"""The two framings of a Gemini stream: server-sent events, and one JSON array."""

from __future__ import annotations

from typing import Protocol

from zope.interface import implementer

from antigravity.interfaces.server_traits import IFramer
from antigravity.ir.call import Call
from antigravity.sse import encode_data


class Framer(Protocol):
    """The type of both framers; see :class:`IFramer`."""

    content_type: str

    def frame(self, data: bytes) -> bytes:
        """Return one chunk framed."""

    def end(self) -> bytes:
        """Return the end of the stream."""

    def keepalive(self) -> bytes:
        """Return bytes that clients ignore at this point, or empty bytes."""


@implementer(IFramer)
class SseFramer:
    """Server-sent events: no names, no comments (they are fatal to clients), no end marker."""

    content_type = "text/event-stream"

    def frame(self, data: bytes) -> bytes:
        """Return one event."""
        return encode_data(data)

    def end(self) -> bytes:
        """Return nothing: the stream ends with the connection."""
        return b""

    def keepalive(self) -> bytes:
        """Return nothing: clients cannot read a comment."""
        return b""


@implementer(IFramer)
class ArrayFramer:
    """One JSON array, an element for each chunk; for clients that send ``alt=json``.

    Some parsers expect ``[`` as the very first byte and nothing after ``]``.
    """

    content_type = "application/json"

    def __init__(self) -> None:
        self._begun = False
        self._ended = False

    def frame(self, data: bytes) -> bytes:
        """Return one element, with the separator before it."""
        opening = b"\n," if self._begun else b"["
        self._begun = True
        return opening + data

    def end(self) -> bytes:
        """Return the end of the array."""
        if self._ended:
            return b""
        self._ended = True
        return b"\n]" if self._begun else b"[]"

    def keepalive(self) -> bytes:
        """Return white space, once the array is open."""
        return b"\n" if self._begun and not self._ended else b""


def wants_array(call: Call) -> bool:
    """Return whether a call requests its stream as a JSON array.

    Google's query parameter is written ``alt`` or ``$alt``, and may have options after a
    semicolon (``$alt=json;enum-encoding=int``).  Without it the stream is server-sent events.
    """
    alt = call.query.get("alt") or call.query.get("$alt") or ""
    return alt.partition(";")[0].strip().lower() == "json"


def array_framer(call: Call) -> ArrayFramer | None:
    """Return a framer if a call requests an array, else ``None``."""
    return ArrayFramer() if wants_array(call) else None


def framer_for(call: Call) -> SseFramer | ArrayFramer:
    """Return the framer for a call."""
    return array_framer(call) or SseFramer()
