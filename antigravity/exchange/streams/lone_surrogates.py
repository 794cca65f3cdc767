"""Lone surrogates in the events of an upstream: joined to pairs, or replaced.  Sans-IO.

They cost one search for each event.  Only an event whose text ends with a high surrogate is held
until the next event of the same text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.surrogates import (
    FragmentRepairer,
    escape_raw,
    lone_surrogates_in,
    replace_all,
    replace_broken_text,
)
from antigravity.sse import ServerSentEvent

#: Events that may come between the two surrogates of a pair.
MAX_WAITING: Final = 16

#: The events that :class:`ArgumentsRepairer` repairs, or needs for that.
TOOL_CALL_EVENTS: Final = frozenset((ToolCallStart, ToolCallDelta, ToolCallEnd))

#: The first bytes of JSON, in which bytes that are no UTF-8 are broken text and not audio.
_BEGINS: Final = (b"{", b"[")

_BACKSLASH: Final = ord("\\")
_NAME: Final = re.compile(rb'("[^"\\]*"\s*:\s*)\Z')
#: A member of log probabilities, which repeat the text.
_TOKEN: Final = b'"token"'
#: Members that distinguish texts of the same name.
_PLACES: Final = re.compile(
    rb'"(?:index|output_index|content_index|summary_index|item_id)"\s*:\s*("[^"]{0,100}"|\d+)'
)


def is_sound_text(data: bytes) -> bool:
    """Return whether JSON has neither a lone surrogate nor bytes that are no UTF-8.

    It can be several events: a pair of surrogates never spans two of them.
    """
    if _BACKSLASH in data and lone_surrogates_in(data):
        return False
    # Surrogates that are not escaped are no UTF-8 either.
    return data.isascii() or replace_broken_text(data) is data


class _HighSurrogate(Struct, frozen=True):
    """A high surrogate at the end of a text: its position, and the text's name and place."""

    begin: int
    end: int
    name: bytes
    places: tuple[bytes, ...]


class SurrogateJoiner:
    """Joins surrogate pairs that are split between events; replaces all others by U+FFFD."""

    def __init__(self) -> None:
        #: A high surrogate whose low one may follow; its event is held.
        self.half: _HighSurrogate | None = None
        self._waiting: list[ServerSentEvent] = []

    def needs_repair(self, data: bytes) -> bool:
        """Return whether an event must be fed: it may have surrogates, or events are held.

        Bytes that are no UTF-8 need repair, too: they are parts of a character.
        """
        if self.half is not None or b"\\u" in data:
            return True
        if data.isascii():
            return False
        if b"\xed" in data:
            return True
        return data[:1] in _BEGINS and replace_broken_text(data) is not data

    def feed(self, event: ServerSentEvent) -> Sequence[ServerSentEvent]:
        """Return the events that are ready, repaired; ``event`` itself if it needs nothing."""
        data = event.data
        if not self.needs_repair(data):
            return (event,)
        data = escape_raw(data)
        if data[:1] in _BEGINS:
            data = replace_broken_text(data)
        halves = lone_surrogates_in(data)
        if self.half is None and not halves:
            return (event if data is event.data else ServerSentEvent(event.event, data),)
        ready: list[ServerSentEvent] = []
        if self.half is not None:
            joined = self._joined(self.half, data, halves)
            if joined is not None:
                ready += self.close(cut=True)
                data, halves = joined, lone_surrogates_in(joined)
            elif self._goes_on(self.half, data) or len(self._waiting) >= MAX_WAITING:
                ready += self.close()
            else:
                self._waiting.append(ServerSentEvent(event.event, replace_all(data, halves)))
                return ready
        half = _last_half(data, halves)
        if half is None:
            ready.append(ServerSentEvent(event.event, replace_all(data, halves)))
            return ready
        others = [place for place in halves if place[0] != half.begin]
        self.half = half  # where it is stays the same: what stands for others is as long
        self._waiting = [ServerSentEvent(event.event, replace_all(data, others))]
        return ready

    def close(self, *, cut: bool = False) -> list[ServerSentEvent]:
        """Return the held events; with ``cut`` the high surrogate is removed from them."""
        half, self.half = self.half, None
        waiting, self._waiting = self._waiting, []
        if half is not None and waiting:
            data = waiting[0].data
            middle = b"" if cut else rb"\ufffd"
            repaired = data[: half.begin] + middle + data[half.end :]
            waiting[0] = ServerSentEvent(waiting[0].event, repaired)
        return waiting

    def _joined(
        self, half: _HighSurrogate, data: bytes, halves: list[tuple[int, int]]
    ) -> bytes | None:
        """Return ``data`` with the high surrogate before its low one, if that is in it."""
        if tuple(_PLACES.findall(data)) != half.places:
            return None
        first = self._waiting[0].data[half.begin : half.end]
        for begin, end in halves:
            is_low = data[begin + 3 : begin + 4] in b"cdefCDEF"
            if is_low and data[begin - 1 : begin] == b'"' and _name(data, begin - 1) == half.name:
                return data[:begin] + first + data[begin:end] + data[end:]
        return None

    def _goes_on(self, half: _HighSurrogate, data: bytes) -> bool:
        """Return whether the text continues in ``data`` without a low surrogate."""
        if tuple(_PLACES.findall(data)) != half.places:
            return False
        return re.search(re.escape(half.name) + rb'\s*:\s*"[^"]', data) is not None


def _last_half(data: bytes, halves: list[tuple[int, int]]) -> _HighSurrogate | None:
    """Return the high surrogate at the end of the last text that ends with one."""
    for begin, end in reversed(halves):
        is_high = data[begin + 3 : begin + 4] in b"89abAB"
        if is_high and data[end : end + 1] == b'"':
            if data[end + 1 :].lstrip()[:1] == b":":
                continue  # the name of a member
            name = _name(data, _opening(data, begin))
            if name and name != _TOKEN:
                return _HighSurrogate(begin, end, name, tuple(_PLACES.findall(data)))
    return None


def _opening(data: bytes, place: int) -> int:
    """Return where the string around ``place`` begins."""
    quote = data.rfind(b'"', 0, place)
    while quote > 0:
        before = data[:quote]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            break
        quote = data.rfind(b'"', 0, quote)
    return quote


def _name(data: bytes, quote: int) -> bytes:
    """Return the quoted name of the member whose value begins at ``quote``, or nothing."""
    found = _NAME.search(data[max(0, quote - 200) : quote])
    return found[1].rpartition(b":")[0].strip() if found else b""


class ArgumentsRepairer:
    """Repairs lone surrogates in the arguments of tool calls, which are JSON within JSON."""

    def __init__(self) -> None:
        self._repairers: dict[int, FragmentRepairer] = {}

    def feed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events with their arguments repaired; mostly ``events`` themselves."""
        out: list[Event] | None = None
        for place, event in enumerate(events):
            kind = type(event)
            changed: Event | None = event
            if kind is ToolCallDelta:
                changed = self._delta(event)  # type: ignore[arg-type]
            elif kind is ToolCallStart and event.kind == "function":  # type: ignore[union-attr]
                self._repairers[event.call] = FragmentRepairer()  # type: ignore[union-attr]
            elif kind is ToolCallEnd:
                repairer = self._repairers.pop(event.call, None)  # type: ignore[union-attr]
                rest = repairer.end() if repairer is not None else ""
                if rest:
                    out = list(events[:place]) if out is None else out
                    out.append(ToolCallDelta(event.call, rest, event.choice))  # type: ignore[union-attr]
            if changed is not event and out is None:
                out = list(events[:place])
            if out is not None and changed is not None:
                out.append(changed)
        return events if out is None else out

    def _delta(self, event: ToolCallDelta) -> Event | None:
        repairer = self._repairers.get(event.call)
        if repairer is None:
            return event
        text = repairer.feed(event.arguments)
        if text == event.arguments:
            return event
        return ToolCallDelta(event.call, text, event.choice) if text else None
