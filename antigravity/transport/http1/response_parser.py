"""A parser of responses, sans-IO: httptools (llhttp, strict) with limits.

Everything that two parsers could read in two ways is an error: a length together with a transfer
coding, two lengths, folded lines, lone CR or LF, control characters, unknown transfer codings.
"""

from __future__ import annotations

from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpResponseParser,
)
from msgspec import Struct

from antigravity.transport.head_limit import HEAD_LIMIT, head_limit_error

#: A head is parsed in pieces of this size, so that parsing stops soon after the limit.
_PIECE: Final = 16 * 1024
#: Bytes between two pieces of a body: chunk sizes with extensions, and trailers.
FRAMING_LIMIT: Final = 32 * 1024

#: Headers that concern the connection only; they are not part of the response.
_CONNECTION_HEADERS: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailers",
        b"transfer-encoding",
        b"upgrade",
    )
)

_VERSIONS: Final = {"1.1": (b"HTTP", 1, 1), "1.0": (b"HTTP", 1, 0)}


class MalformedResponseError(Exception):
    """A response that is not HTTP/1.1, or whose end cannot be known for sure."""


class _HeadOnly(Exception):  # noqa: N818 - not an error
    """The response to a HEAD request has ended with its head."""


class ResponseHead(Struct):
    """The head of a response; ``length`` is ``None`` if its body has no stated length.

    :ivar pairs: the headers, names in lower case, without those of the connection.
    :ivar until_close: whether the body ends when the server closes the connection.
    """

    status: int
    version: tuple[bytes, int, int]
    phrase: bytes
    pairs: list[tuple[bytes, bytes]]
    length: int | None
    until_close: bool


class ResponseParser:
    """A parser of the responses of one connection, one after another.

    :ivar head: the head of the response, ``None`` until it is complete.
    :ivar ended: whether the response is complete or malformed.
    :ivar error: the reason if it is malformed: a :class:`MalformedResponseError`, or the
        ``UpstreamError`` of a limit.
    :ivar keep_alive: whether another request may follow on the connection.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        #: Called by httptools for each piece of a body; calls no Python code.
        self.on_body = self._pieces.append
        self._parser = HttpResponseParser(self)
        self.start(b"GET")

    def start(self, method: bytes) -> None:
        """Expect the response to a request with ``method``."""
        self.head: ResponseHead | None = None
        self.ended = False
        self.error: Exception | None = None
        self.keep_alive = False
        self._method = method
        self._pairs: list[tuple[bytes, bytes]] = []
        self._phrase = b""
        self._is_interim = False
        self._is_complete = False
        self._outside = 0  # bytes that are not of the body

    def close(self) -> None:
        """Free the parser of httptools, which refers to this object and the reverse."""
        del self._parser

    @property
    def has_begun(self) -> bool:
        """Whether a part of the response has been received."""
        return self.head is not None or self._outside > 0

    def feed(self, data: bytes) -> bytes:
        """Parse ``data``, and return the part of the body that it has, in one piece."""
        pieces = self._pieces
        if self.head is not None:
            self._feed(data)
        else:
            self._feed_head(data)
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._outside = 0
            return body
        if self.head is not None:
            self._outside += len(data)
            if self._outside > FRAMING_LIMIT and not self.ended:
                self._fail(MalformedResponseError("too much data between two chunks"))
        return b""

    def _feed_head(self, data: bytes) -> None:
        """Parse ``data``, which begins in a head."""
        if not self._outside and not data.startswith(b"H"):
            self._fail(MalformedResponseError("expected HTTP/"))
            return
        if len(data) <= _PIECE:
            self._outside += len(data)
            self._feed(data)
        else:
            view = memoryview(data)
            while len(view) and self.head is None and not self.ended:
                piece = view[:_PIECE]
                self._outside += len(piece)
                self._feed(piece)
                view = view[_PIECE:]
                if self._outside > HEAD_LIMIT:
                    break
            if len(view) and self.head is not None:
                if self.ended:
                    self._fail(MalformedResponseError("data after the response"))
                else:
                    self._feed(view)
        if self.head is not None:
            self._outside = 0
        elif self._outside > HEAD_LIMIT and not self.ended:
            self._fail(head_limit_error())

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not isinstance(error, HttpParserCallbackError):
                self._fail(MalformedResponseError(str(error)))
                return
            cause = error.__context__
            if isinstance(cause, MalformedResponseError):
                self._fail(cause)
            elif not isinstance(cause, _HeadOnly):
                raise

    def _fail(self, error: Exception) -> None:
        self.ended = True
        if self._is_complete:
            self.keep_alive = False  # what follows the response is not of this request
        else:
            self.error = error

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Begin a response, or an interim one before it."""
        if self._is_complete:
            raise MalformedResponseError("data after the response")

    def on_status(self, phrase: bytes) -> None:
        """Add a part of the reason phrase."""
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or ignore a trailer."""
        if self.head is None:
            self._pairs.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the framing, and complete the head."""
        parser = self._parser
        status = parser.get_status_code()
        version = _VERSIONS.get(parser.get_http_version())
        if version is None or status < 100:
            raise MalformedResponseError("an unknown version or status")
        pairs, self._pairs = self._pairs, []
        phrase, self._phrase = self._phrase, b""
        length, is_chunked = _framing(pairs)
        if status < 200:
            if status == 101:
                raise MalformedResponseError("it switches to another protocol")
            if length is not None or is_chunked:
                raise MalformedResponseError("an interim response with a body")
            self._is_interim = True
            return
        has_body = status not in (204, 304) and self._method != b"HEAD"
        until_close = has_body and length is None and not is_chunked
        # A length is trusted from HTTP/1.0, but a transfer coding is not (RFC 9112, section 6.1).
        self.keep_alive = (
            not until_close
            and parser.should_keep_alive()
            and not (is_chunked and version[2] == 0)
            # A server that states a body where there is none may send it all the same.
            and not (status == 204 and (length or is_chunked))
        )
        self.head = ResponseHead(
            status=status,
            version=version,
            phrase=phrase,
            pairs=[
                (name, value.rstrip(b" \t"))
                for name, value in pairs
                if name not in _CONNECTION_HEADERS
            ],
            length=length if has_body else 0,
            until_close=until_close,
        )
        if self._method == b"HEAD":
            # httptools would wait for a body.  Its parser cannot go on, so the connection ends.
            self._is_complete = self.ended = True
            self.keep_alive = False
            raise _HeadOnly

    def on_message_complete(self) -> None:
        """Complete the response, unless it is an interim one."""
        if self._is_interim:
            self._is_interim = False
        else:
            self._is_complete = self.ended = True


def _framing(pairs: list[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """Return the stated length, and whether the body is chunked; httptools refuses both at once.

    httptools knows no coding with a tab behind it, and would read the body until the connection
    ends.

    :raises MalformedResponseError: if there is another transfer coding than ``chunked``, once.
    """
    length: int | None = None
    is_chunked = False
    for name, value in pairs:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            if is_chunked or value.rstrip(b" ").lower() != b"chunked":
                raise MalformedResponseError("an unknown transfer coding")
            is_chunked = True
    return length, is_chunked
