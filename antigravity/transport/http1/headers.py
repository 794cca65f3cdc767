"""Headers as a list of pairs, for messages that are built or read once."""

# ruff: noqa: N802, N803 - names of Twisted's class

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from twisted.web.http_headers import Headers


def _lower(name: str | bytes) -> bytes:
    return (name.encode("latin-1") if isinstance(name, str) else name).lower()


def _encode(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


class HeaderPairs(Headers):
    """Headers in the order of the message, which treq and agents can use as Twisted's.

    Twisted's class normalises every name and value when it is added.  This one keeps the pairs and
    searches them, which is faster for the dozen headers of a message.

    :ivar pairs: names in lower case with their values.
    """

    __slots__ = ("pairs",)

    def __init__(
        self, rawHeaders: Mapping[Any, Sequence[Any]] | None = None, *, pairs: Any = None
    ) -> None:
        # Twisted's own storage stays unset: every public method is replaced.
        self.pairs: list[tuple[bytes, bytes]] = [] if pairs is None else pairs
        for name, values in (rawHeaders or {}).items():
            self.pairs.extend((_lower(name), _encode(value)) for value in values)

    def __repr__(self) -> str:
        """Return the names only, since values may be secret."""
        return f"<HeaderPairs {sorted({name for name, _ in self.pairs})}>"

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` has the same headers."""
        if isinstance(other, Headers):
            return dict(self.getAllRawHeaders()) == {
                _lower(name): list(values) for name, values in other.getAllRawHeaders()
            }
        return NotImplemented

    def __ne__(self, other: object) -> bool:
        """Return whether ``other`` has other headers."""
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def last_values(self) -> dict[str, str]:
        """Return the last value of each header."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.pairs}

    def copy(self) -> HeaderPairs:
        """Return a copy."""
        return HeaderPairs(pairs=self.pairs.copy())

    def hasHeader(self, name: Any) -> bool:
        """Return whether there is a header of this name."""
        wanted = _lower(name)
        return any(each == wanted for each, _ in self.pairs)

    def removeHeader(self, name: Any) -> None:
        """Remove all headers of this name."""
        wanted = _lower(name)
        for each, _ in self.pairs:
            if each == wanted:
                self.pairs = [pair for pair in self.pairs if pair[0] != wanted]
                return

    def setRawHeaders(self, name: Any, values: Iterable[Any]) -> None:
        """Replace all headers of this name."""
        self.removeHeader(name)
        wanted = _lower(name)
        self.pairs.extend((wanted, _encode(value)) for value in values)

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Add a header."""
        self.pairs.append((_lower(name), _encode(value)))

    def getRawHeaders(self, name: Any, default: Any = None) -> Any:
        """Return the values of this name as a list, of the type of ``name``."""
        wanted = _lower(name)
        values = [value for each, value in self.pairs if each == wanted]
        if not values:
            return default
        return [value.decode() for value in values] if isinstance(name, str) else values

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Return an iterator of each name with its values."""
        grouped: dict[bytes, list[bytes]] = {}
        for name, value in self.pairs:
            grouped.setdefault(name, []).append(value)
        return iter(grouped.items())


class FixedHeaders(HeaderPairs):
    """The headers of requests, which treq cannot change, so that many requests share them.

    treq adds ``Accept-Encoding`` to a copy of what it gets.

    :ivar lines: the headers in their wire form.
    """

    __slots__ = ("lines",)

    def __init__(self, pairs: list[tuple[bytes, bytes]], lines: bytes) -> None:
        super().__init__(pairs=pairs)
        self.lines = lines

    def copy(self) -> FixedHeaders:
        """Return the same headers."""
        return self

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Ignore the header."""

    def setRawHeaders(self, name: Any, values: Iterable[Any]) -> None:
        """Ignore the headers."""

    def removeHeader(self, name: Any) -> None:
        """Keep the headers."""
