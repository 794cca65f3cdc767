"""Stop sequences, for targets that take none or too few of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.events import Event, Finish, TextDelta

#: So many sequences are looked for at most, each in every piece of text.
MOST: Final = 1000
#: The maximum length of one, since that much text may be held back and searched again.
LONGEST: Final = 2000


class _Tail:
    """The end of a choice's text that may be the beginning of a stop sequence."""

    __slots__ = ("held", "stopped")

    def __init__(self) -> None:
        self.held = ""
        self.stopped = False


class StopSequences:
    """Ends a choice at the first stop sequence in its text.

    Text is held back only while it may be the beginning of one.  :attr:`done` says
    that all choices have ended, so that the upstream request can be aborted.

    :raises InvalidRequestError: if there are too many, or one is too long.
    """

    handles: tuple[type[Any], ...] = (object,)

    def __init__(self, stop: Sequence[str], choices: int = 1) -> None:
        if len(stop) > MOST:
            raise _refused(f"There are more than {MOST} stop sequences; send fewer.")
        self._stop = sorted({sequence for sequence in stop if sequence})
        self._longest = max(map(len, self._stop), default=0)
        if self._longest > LONGEST:
            raise _refused(f"A stop sequence is longer than {LONGEST} characters; shorten it.")
        self._tails: dict[int, _Tail] = {}
        self._choices = choices
        self.done = False

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        choice = getattr(event, "choice", None)
        if choice is None:
            return (event,)
        tail = self._tails.get(choice)
        if tail is None:
            tail = self._tails[choice] = _Tail()
        if tail.stopped:
            return ()
        if isinstance(event, TextDelta):
            return self._text(event, tail)
        return (*self._release(tail, choice), event)

    def close(self) -> Sequence[Event]:
        """Return the text that is still held back."""
        released: list[Event] = []
        for choice, tail in self._tails.items():
            released += self._release(tail, choice)
        return released

    def _text(self, event: TextDelta, tail: _Tail) -> Sequence[Event]:
        text = tail.held + event.text
        place, sequence = self._first(text)
        if sequence is not None:
            tail.held, tail.stopped = "", True
            self.done = sum(t.stopped for t in self._tails.values()) >= self._choices
            finish = Finish("stop_sequence", sequence, choice=event.choice)
            before = text[:place]
            return (TextDelta(before, event.choice), finish) if before else (finish,)
        keep = self._overlap(text)
        tail.held = text[len(text) - keep :] if keep else ""
        text = text[: len(text) - keep]
        return (TextDelta(text, event.choice),) if text else ()

    def _first(self, text: str) -> tuple[int, str | None]:
        """Return the position of the first stop sequence in ``text``, and that sequence."""
        places = ((text.find(sequence), sequence) for sequence in self._stop)
        hits = [(place, sequence) for place, sequence in places if place >= 0]
        return min(hits) if hits else (-1, None)

    def _overlap(self, text: str) -> int:
        """Return the number of characters at the end of ``text`` that begin a stop sequence."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            end = text[-size:]
            place = bisect_left(self._stop, end)  # the first that could begin with it
            if place < len(self._stop) and self._stop[place].startswith(end):
                return size
        return 0

    def _release(self, tail: _Tail, choice: int) -> Sequence[Event]:
        text, tail.held = tail.held, ""
        return (TextDelta(text, choice),) if text else ()


def _refused(problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{problem} The gateway itself detects them.", param="stop")
