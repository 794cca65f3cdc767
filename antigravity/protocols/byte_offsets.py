"""Offsets of citations: some providers count bytes of UTF-8, the representation characters."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

#: Characters of a block; at the most one is decoded for an offset.
_BLOCK: Final = 1024


class ByteOffsets:
    """Converts offsets in a text that can grow; each takes the time of one block, not of the text.

    :ivar characters: how many characters the text has so far.
    :ivar bytes: how many bytes it has.
    """

    def __init__(self, text: str = "") -> None:
        self.characters = 0
        self.bytes = 0
        self._blocks: list[bytes] = []
        self._first_bytes: list[int] = []
        self._first_characters: list[int] = []
        self.add(text)

    def add(self, text: str) -> None:
        """Add text at the end."""
        for start in range(0, len(text), _BLOCK):
            part = text[start : start + _BLOCK]
            block = part.encode("utf-8", "surrogatepass")
            self._blocks.append(block)
            self._first_bytes.append(self.bytes)
            self._first_characters.append(self.characters)
            self.bytes += len(block)
            self.characters += len(part)

    def to_characters(self, place: int) -> int:
        """Return an offset in bytes as one in characters, within the text.

        Inside a character it is that of the character.
        """
        if place <= 0:
            return 0
        if place >= self.bytes:
            return self.characters
        index = bisect_right(self._first_bytes, place) - 1
        before = self._blocks[index][: place - self._first_bytes[index]]
        return self._first_characters[index] + len(before.decode("utf-8", "ignore"))

    def to_bytes(self, place: int) -> int:
        """Return an offset in characters as one in bytes, within the text."""
        if place <= 0:
            return 0
        if place >= self.characters:
            return self.bytes
        index = bisect_right(self._first_characters, place) - 1
        text = self._blocks[index].decode("utf-8", "surrogatepass")
        before = text[: place - self._first_characters[index]]
        return self._first_bytes[index] + len(before.encode("utf-8", "surrogatepass"))
