"""Parses the heads of requests, sans-IO.

Every byte of a head must be where RFC 9112 puts it: nothing is repaired or skipped, so that a proxy
in front of the gateway cannot take the head for another one.
"""

from __future__ import annotations

import re
import string
from typing import Final, NamedTuple

from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.web.errors import HeadersTooLargeError

#: Most bytes of a head, and most headers in it.
MAX_HEAD: Final = 64 * 1024
MAX_HEADERS: Final = 200
#: Most bytes of a header that the gateway itself adds to a head.
MAX_EXTRA: Final = 128
#: Most empty lines before requests, on one connection.
_MOST_EMPTY_LINES: Final = 16

_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rf"({_NAME}) ([\x21-\xb0]+) (HTTP/1\.[01])\r\n")
#: A header line from its beginning to its end.  It has no two adjacent repetitions that match the
#: same characters, so that a line that does not match costs no more than one that does.
_HEADER_LINE: Final = re.compile(rf"(?<=\n)({_NAME}):([^\r\n\0]*)\r\n")
#: The characters that a request can begin with: those of a token (RFC 9110, 5.6.2).
_FIRST_BYTES: Final = frozenset(
    b"!#$%&'*+-.^_`|~" + (string.ascii_letters + string.digits).encode()
)
_CARRIAGE_RETURN: Final = 0x0D
#: The first byte of a TLS record, and of the hello of SSL 2.
_TLS_FIRST_BYTES: Final = frozenset({0x16, 0x80})

_NOT_TLS: Final = (
    "This port serves plain HTTP, not TLS: write http:// instead of https:// in the address."
)
_NOT_HTTP: Final = "This port serves HTTP, and this is not an HTTP request."
_LINE_ENDS: Final = "The lines of a request must end with a carriage return and a line feed."
_MALFORMED: Final = "The request is not well-formed HTTP/1.1."


class ParsedHead(NamedTuple):
    """Request line and headers, each byte as one character (Latin-1).

    ``fields`` are names and values of the headers in their order; values may begin and end with
    spaces and tabs.
    """

    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]


#: What is taken for the head of a request whose head is not understood.
_UNKNOWN: Final = ParsedHead("GET", "/", "HTTP/1.1", [])


class HeadReader:
    """A reader of the heads on one connection, one after the other.

    :param extra: how many headers more than those of a client a head may have, each of up to
        ``MAX_EXTRA`` bytes.
    :ivar partial: what was understood of the head at fault, for the response.
    """

    __slots__ = ("_buffer", "_empty_lines", "_max_head", "_max_headers", "partial")

    def __init__(self, extra: int = 0) -> None:
        self._max_head = MAX_HEAD + extra * MAX_EXTRA
        self._max_headers = MAX_HEADERS + extra
        self._buffer = bytearray()
        self._empty_lines = 0
        self.partial = _UNKNOWN

    @property
    def has_input(self) -> bool:
        """Whether a head has begun."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> tuple[ParsedHead, bytes] | None:
        """Return the head and the bytes behind it, or ``None`` if it is not complete yet.

        It fails at the first line that is at fault, however the bytes are split.

        :raises GatewayError: if the head is malformed or too large.
        """
        old = 0
        if self._buffer:
            old = len(self._buffer)
            self._buffer += data
            if self._buffer[0] == _CARRIAGE_RETURN:
                data = bytes(self._buffer)
                old = 0
                self._buffer.clear()
        if not self._buffer:
            if data[0] not in _FIRST_BYTES:
                data = self._without_empty_lines(data)
                if not data:
                    return None
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer += data
        else:
            end = self._buffer.find(b"\r\n\r\n", max(old - 3, 0))
            if end >= 0:
                data = bytes(self._buffer)
        if end < 0:
            if b"\n" in data or len(self._buffer) > self._max_head:
                self._check(bytes(self._buffer))
            return None
        end += 4
        head = _parse(data[:end], self._max_headers) if end <= self._max_head else None
        if head is None:
            self._check(data[:end])
            raise InvalidRequestError(_MALFORMED)
        if self._buffer:
            self._buffer.clear()
            self.partial = _UNKNOWN
        return head, data[end:]

    def _without_empty_lines(self, data: bytes) -> bytes:
        """Return ``data`` without empty lines at its beginning.

        A few empty lines before a request are ignored (RFC 9112, 2.2).  Clients of another protocol
        get a response at once, because they may never send a line end.

        :raises InvalidRequestError: if an HTTP request cannot begin in this way.
        """
        while data.startswith(b"\r\n"):
            self._empty_lines += 1
            if self._empty_lines > _MOST_EMPTY_LINES:
                raise InvalidRequestError(_MALFORMED)
            data = data[2:]
        if data == b"\r":
            self._buffer += data
            return b""
        if data and data[0] not in _FIRST_BYTES:
            is_tls = data[0] in _TLS_FIRST_BYTES
            raise InvalidRequestError(_NOT_TLS if is_tls else _NOT_HTTP)
        return data

    def _check(self, data: bytes) -> None:
        """Check the complete lines of ``data``, which begins with a request line.

        :raises GatewayError: if one is malformed, or if it is too large.
        """
        self._buffer.clear()
        self.partial, error = _inspect(data, self._max_head, self._max_headers)
        if error is not None:
            raise error
        self._buffer += data


def _parse(data: bytes, max_headers: int) -> ParsedHead | None:
    """Return the head ``data``, from the request line to the empty line; ``None`` if malformed."""
    text = data.decode("latin-1")
    line = _REQUEST_LINE.match(text)
    if line is None:
        return None
    start, end = line.end(), len(text) - 2
    fields = _HEADER_LINE.findall(text, start, end)
    # Each match is one line and ends at its only line feed.  If there are as many matches as line
    # feeds, no byte is outside of a match.
    if len(fields) != text.count("\n", start, end) or len(fields) > max_headers:
        return None
    method, target, version = line.groups()
    return ParsedHead(method, target, version, fields)


def _inspect(
    data: bytes, max_head: int, max_headers: int
) -> tuple[ParsedHead, GatewayError | None]:
    """Return what the lines of ``data`` say before the first fault, and the fault, if any."""
    text = data.decode("latin-1")
    head = _UNKNOWN
    fields: list[tuple[str, str]] = []
    place = 0
    while (end := text.find("\n", place, max_head) + 1) > 0:
        if text[end - 2 : end] != "\r\n":
            return head, InvalidRequestError(_LINE_ENDS)
        if place == 0:
            line = _REQUEST_LINE.fullmatch(text, 0, end)
            if line is None:
                return head, InvalidRequestError(_MALFORMED)
            head = ParsedHead(line[1], line[2], line[3], fields)
        elif end - place == 2:
            return head, None
        else:
            header = _HEADER_LINE.fullmatch(text, place, end)
            if header is None:
                return head, InvalidRequestError(_MALFORMED)
            fields.append((header[1], header[2]))
            if len(fields) > max_headers:
                return head, HeadersTooLargeError("The request has too many headers.")
        place = end
    if len(text) > max_head:
        return head, HeadersTooLargeError("The request's headers are too large.")
    return head, None
