"""Server-sent events, sans-IO (WHATWG HTML, section 9.2).

The decoder accepts bytes in chunks of any size and returns whole events.  Data stays ``bytes``:
protocols decode the JSON themselves, and only where it is needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

#: The maximum size of an event; no model sends a larger one, and it would fill the memory.
DEFAULT_LIMIT: Final = 64 * 1024 * 1024

#: The memory of a piece of an event besides its bytes.  Without it, millions of empty pieces would
#: not count.
PIECE_COST: Final = 64


_CR: Final = ord("\r")
#: Bytes of an ``event`` line that is still in the usual form.
_MAX_NAME: Final = 128


class EventTooLargeError(ValueError):
    """An event is larger than the limit."""


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One event: its name (empty for the default) and its data lines joined by a newline."""

    event: str
    data: bytes


class SseDecoder:
    """A decoder of server-sent events.

    It accepts LF, CRLF and CR line ends, ``data:`` with and without a space, several data
    lines, comments, a byte-order mark, and chunks cut anywhere.  Events without data are
    dropped, as the specification says.

    :raises EventTooLargeError: from :meth:`feed`, when one event takes more than ``limit`` bytes
        of memory: each of its lines counts :data:`PIECE_COST` bytes more than it is long.
    """

    __slots__ = (
        "_cr",
        "_data",
        "_first",
        "_limit",
        "_name",
        "_pieces",
        "_size",
        "has_comments",
        "tail",
    )

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        #: Bytes at the end of the last chunk that belong to an unfinished event; ``None`` if its
        #: line ends are not all LF.
        self.tail: int | None = 0
        #: Whether any comment was read.
        self.has_comments = False
        self._pieces: list[bytes] = []  # of an incomplete line
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0  # of the pieces and data lines held, with PIECE_COST for each
        self._limit = limit
        self._first = True
        self._cr = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk."""
        uniform = self.uniform(chunk)
        if uniform is not None:
            self.tail = 0
            name, payloads = uniform
            if len(payloads) == 1:
                return [ServerSentEvent(name, payloads[0])]
            return [ServerSentEvent(name, data) for data in payloads]
        size: int | None = len(chunk)
        if self._first:
            chunk = self._skip_mark(chunk)
        if self._cr and chunk:
            self._cr = False
            size = None
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            size = None
            self._cr = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._pieces and b"\n" in chunk:
            chunk = self._join(chunk)
        blocks = chunk.split(b"\n\n")
        lines = blocks.pop().split(b"\n")
        rest = lines.pop()
        events: list[ServerSentEvent] = []
        for block in blocks:
            self._block(block, events)
        if size is not None:
            after = len(rest) + sum(map(len, lines)) + len(lines) if blocks else size
            self.tail = _tail(lines, rest, after)
        else:
            self.tail = None
        for line in lines:
            self._line(line, events)
        if rest:
            self._hold(len(rest))
            self._pieces.append(rest)
        return events

    def _block(self, block: bytes, events: list[ServerSentEvent]) -> None:
        """Read lines, and the blank line after them."""
        if not self._data and not self._name and len(block) + PIECE_COST <= self._limit:
            begin = 6
            if block.startswith(b"event: "):
                begin = block.find(b"\n", 0, _MAX_NAME) + 7
            if block.startswith(b"data: ", begin - 6) and block.find(b"\n", begin) < 0:
                name = _name(block[7 : begin - 7]) if begin > 6 else ""
                events.append(ServerSentEvent(name, block[begin:]))
                return
        for line in block.split(b"\n"):
            self._line(line, events)
        self._line(b"", events)

    def uniform(self, chunk: bytes) -> tuple[str, list[bytes]] | None:
        """Return the name and the data of events in the usual form, without reading them.

        ``None`` if the chunk is anything else than whole events of one name, each with one line
        of data, or if an event has begun before it.
        """
        if chunk[-1:] != b"\n" or self._pieces or self._data or self._first or self._cr:
            return None
        if self._name or len(chunk) + PIECE_COST > self._limit:
            return None
        return _uniform_events(chunk)

    def _skip_mark(self, chunk: bytes) -> bytes:
        """Return the beginning of the stream without its byte-order mark, once that is complete."""
        start = self._join(chunk)
        if len(start) < 3 and b"\xef\xbb\xbf".startswith(start):
            self._pieces.append(start)
            self._hold(len(start))
            return b""
        self._first = False
        return start.removeprefix(b"\xef\xbb\xbf")

    def _join(self, end: bytes) -> bytes:
        """Return the held pieces and ``end`` joined, and release the pieces."""
        if not self._pieces:
            return end
        self._size -= sum(map(len, self._pieces)) + PIECE_COST * len(self._pieces)
        self._pieces.append(end)
        line = b"".join(self._pieces)
        self._pieces.clear()
        return line

    def _hold(self, size: int) -> None:
        self._size += size + PIECE_COST
        if self._size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")

    def close(self) -> list[ServerSentEvent]:
        """Return the event that the end of the input completes, if there is one.

        The specification drops an incomplete event, but some servers omit the last blank line, so
        a complete ``data`` line counts here.
        """
        if self._pieces:
            self.read_field(self._join(b""))
        return [self._pop_event()] if self._data else []

    @property
    def is_between_events(self) -> bool:
        """Whether the next byte begins an event, or a line outside of one."""
        return not (self._first or self._cr or self._pieces or self._data or self._name)

    @property
    def pending(self) -> bool:
        """Whether part of an event has been read."""
        return bool(self._pieces or self._data)

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if line:
            self.read_field(line)
        elif self._data:
            events.append(self._pop_event())
        else:
            self._name = ""

    def read_field(self, line: bytes) -> None:
        """Read a line that is not blank; subclasses can read more fields."""
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._hold(len(value))
            self._data.append(value)
        elif line.startswith(b"event:"):
            self._name = line[6:].strip().decode("utf-8", "replace")
        elif line == b"data":
            self._hold(0)
            self._data.append(b"")
        elif line.startswith(b":"):
            self.has_comments = True

    def _pop_event(self) -> ServerSentEvent:
        data = self._data
        event = ServerSentEvent(self._name, data[0] if len(data) == 1 else b"\n".join(data))
        self._data = []
        self._name = ""
        self._size = 0
        return event


class EventSplitter:
    """A splitter of an unchanged stream after its last whole event.

    :raises EventTooLargeError: from :meth:`feed`, when one event takes more than ``limit`` bytes
        of memory: each piece counts :data:`PIECE_COST` bytes more than it is long.
    """

    __slots__ = ("_limit", "_size", "held")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        #: Bytes of an unfinished event.
        self.held: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes, tail: int | None = None) -> bytes:
        """Return all bytes that belong to whole events.

        ``tail`` is :attr:`SseDecoder.tail` if a decoder has read the same chunk.
        """
        if not self.held and (tail == 0 or chunk.endswith(b"\n\n")):
            return chunk
        end = len(chunk) - tail if tail is not None else self._find_end(chunk)
        if end <= 0:
            if chunk:
                self._hold(chunk)
            return b""
        whole = b"".join([*self.held, chunk[:end]]) if self.held else chunk[:end]
        self.held, self._size = [], 0
        if end < len(chunk):
            self._hold(chunk[end:])
        return whole

    def _find_end(self, chunk: bytes) -> int:
        """Return the index in a chunk after the last blank line."""
        # A blank line may be split: search the last held bytes together with the chunk.
        held = self.held[-1] if self.held else b""
        return _boundary(held[-3:] + chunk) - min(len(held), 3)

    def rest(self) -> bytes:
        """Return the held bytes, and release them."""
        held, self.held, self._size = b"".join(self.held), [], 0
        return held

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece) + PIECE_COST
        if self._size > self._limit:
            raise EventTooLargeError(f"an event is larger than {self._limit} bytes")
        if self.held and len(self.held[-1]) < 3:
            piece = self.held.pop() + piece
        self.held.append(piece)


def _tail(lines: list[bytes], rest: bytes, size: int) -> int:
    """Return how many bytes of a chunk follow the last blank line; ``size`` if it has none."""
    tail = len(rest)
    for line in reversed(lines):
        if not line:
            return tail
        tail += len(line) + 1
    return size


def _uniform_events(chunk: bytes) -> tuple[str, list[bytes]] | None:
    """Return the name and the data of events of one name, with one line of data each."""
    name, begin, lines = "", 6, 2
    if not chunk.startswith(b"data: "):
        line = chunk.find(b"\n", 0, _MAX_NAME)
        if not (chunk.startswith(b"event: ") and chunk.startswith(b"data: ", line + 1)):
            return None
        name, begin, lines = _name(chunk[7:line]), line + 7, 3
    blank, returns = (b"\r\n\r\n", lines) if _CR in chunk else (b"\n\n", 0)
    if not chunk.endswith(blank):
        return None
    end = len(chunk) - len(blank)
    if chunk.find(b"\n", begin, end) < 0:
        payloads = [chunk[begin:end]]
    else:
        payloads = chunk[begin:end].split(blank + chunk[:begin])
        # As many line ends as there are around the data of each event: there are none within.
        if chunk.count(b"\n") != lines * len(payloads):
            return None
    # As many returns, each of them a part of a line end: none ends a line by itself.
    if returns and not chunk.count(b"\r") == chunk.count(b"\r\n") == returns * len(payloads):
        return None
    return name, payloads


@lru_cache(maxsize=256)
def _name(text: bytes) -> str:
    """Return the name in the text of an ``event`` field."""
    return text.strip().decode("utf-8", "replace")


def _boundary(data: bytes) -> int:
    """Return the index after the last blank line, or 0."""
    # A return ends a line at once, as it does for the decoder: its line feed may come much later.
    marks = (b"\n\n", b"\n\r\n", b"\n\r", b"\r\r")
    places = map(data.rfind, marks)
    sizes = map(len, marks)
    return max((p + n for p, n in zip(places, sizes, strict=True) if p >= 0), default=0)


def encode_data(data: bytes) -> bytes:
    """Return an unnamed event; ``data`` must hold no line end (compact JSON never does)."""
    return b"data: %b\n\n" % data


def encode_event(name: bytes, data: bytes) -> bytes:
    """Return a named event; neither ``name`` nor ``data`` may hold a line end."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


#: A comment: legal on every stream, ignored by most clients, fatal to some Gemini ones.
KEEPALIVE_COMMENT: Final = b": keep-alive\n\n"

#: The end marker of OpenAI chat completions streams.
DONE: Final = b"data: [DONE]\n\n"
