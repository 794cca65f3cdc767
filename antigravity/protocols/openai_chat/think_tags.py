"""Splits thinking in ``<think>`` tags off the text of a response.

Servers without a parser for the model's reasoning send it this way.  Only a block at the beginning
of a response is thinking: later tags are text, for example code about such models.
"""

from __future__ import annotations

from typing import Final, Literal

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
#: The characters of white space that are held back in front of a tag, at most.
_MAX_SPACE: Final = 64

#: A piece of a response, and whether it is thinking.
Piece = tuple[bool, str]


class ThinkTagSplitter:
    """Splitter for the text of one choice, in pieces of any size.

    White space around the tags is left out.

    :ivar done: whether all that follows is text.
    """

    __slots__ = ("_held", "_state", "done")

    def __init__(self) -> None:
        self.done = False
        self._state: Literal["before", "begin", "inside", "behind"] = "before"
        self._held = ""

    def feed(self, text: str) -> list[Piece]:
        """Return the pieces that are complete with ``text``, which follows what was fed."""
        if self.done:
            return [(False, text)] if text else []
        held, self._held = self._held + text, ""
        pieces: list[Piece] = []
        if self._state == "before":
            stripped = held.lstrip()
            if len(held) - len(stripped) > _MAX_SPACE:
                self.done = True
            elif stripped.startswith(_OPEN):
                self._state, held = "begin", stripped[len(_OPEN) :]
            elif _OPEN.startswith(stripped):
                self._held = held
                return pieces
            else:
                self.done = True
        if self._state == "begin":
            held = held.lstrip()
            if not held:
                return pieces
            self._state = "inside"
        if self._state == "inside":
            held = self._think(held, pieces)
        if self._state == "behind":
            held = held.lstrip()
            self.done = bool(held)
        if self.done and held:
            pieces.append((False, held))
        return pieces

    def end(self) -> list[Piece]:
        """Return what was held back; what follows is text."""
        held, self._held = self._held, ""
        self.done = True
        return [(self._state == "inside", held)] if held else []

    def _think(self, held: str, pieces: list[Piece]) -> str:
        """Add the thinking at the beginning of ``held``, and return the text behind it."""
        thinking, tag, rest = held.partition(_CLOSE)
        if tag:
            self._state = "behind"
            thinking = thinking.rstrip()
        else:
            kept = len(held) - _length_of_beginning(held)
            thinking = held[:kept].rstrip()
            if kept - len(thinking) > _MAX_SPACE:
                thinking = held[:kept]
            self._held = held[len(thinking) :]
        if thinking:
            pieces.append((True, thinking))
        return rest


def _length_of_beginning(text: str) -> int:
    """Return how many characters at the end of a text may be the beginning of the closing tag."""
    for length in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if text.endswith(_CLOSE[:length]):
            return length
    return 0
