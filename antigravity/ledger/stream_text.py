"""Removes secrets from text that a stream sends in pieces.  Pure."""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from antigravity.ledger.stream_documents import Framing, Lines, documents, parse

#: A part of a text, and what is written in its place.
Replacement = tuple[int, int, str]
#: Returns what is replaced in a text, in order, without overlaps.
Find = Callable[[str], Sequence[Replacement]]
#: Members that say to which text of several a piece belongs.
_Place = tuple[tuple[str, str | int], ...]

_PLACES: Final = (
    *("index", "output_index", "content_index", "summary_index", "item_id", "thought", "jsonPath"),
)
_ANY_PLACE: Final = frozenset((*_PLACES, "delta"))
#: Members that are whole in each event, and most of them the same in each.
_WHOLE: Final = frozenset(
    {
        *("type", "id", "object", "model", "role", "item_id", "response_id", "event_id"),
        *("event_type", "obfuscation", "system_fingerprint", "service_tier", "modelVersion"),
        *("responseId", "traceId", "finish_reason", "finishReason", "createTime", "jsonPath"),
    }
)
#: Members that begin what others go on with.
_SAME: Final = {"content_block": "delta", "step": "delta"}

#: A string of JSON; the second group follows the name of a member.
_STRING: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*+:)?')
#: What stands for one character in a string.
_CHARACTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)
#: The bytes of a token, beside its text.
_TOKEN_BYTES: Final = re.compile(r'("bytes"\s*:\s*)\[([\d\s,]*)\]')
#: Stands for a document that cannot be changed.
_REPLACED_EVENT: Final = '"[redacted]"'


class _Pieces:
    """The pieces of one text, and the strings that they come from."""

    __slots__ = ("documents", "strings", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.documents = array("I")
        self.strings = array("I")


class _Member:
    """A member of the documents of a stream, at any position of an array."""

    __slots__ = ("members", "texts")

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self.texts: dict[_Place, _Pieces] = {}

    def member(self, name: str) -> _Member:
        found = self.members.get(name)
        if found is None:
            same = _SAME.get(name)
            found = _Member() if same is None else self.member(same)
            self.members[name] = found
        return found

    def pieces(self) -> Iterator[_Pieces]:
        waiting = [self]
        while waiting:
            member = waiting.pop()
            yield from member.texts.values()
            waiting += [each for name, each in member.members.items() if name not in _SAME]


class _Collector:
    """Collects the strings of documents by the texts that they are pieces of."""

    def __init__(self) -> None:
        self.root = _Member()
        self._document = self._strings = 0

    def add(self, number: int, value: Any) -> None:
        """Add a document."""
        self._document, self._strings = number, 0
        try:
            self._list([value], self.root, ())
        except RecursionError:
            return

    def _object(self, value: dict[str, Any], member: _Member, place: _Place) -> None:
        if not _ANY_PLACE.isdisjoint(value):
            place += _place_of(value)
        for name, item in value.items():
            kind = type(item)
            if kind is str:
                if item and name not in _WHOLE:
                    self._string(item, member.member(name), place)
                self._strings += 1
            elif kind is dict:
                self._object(item, member.member(name), place)
            elif kind is list:
                self._list(item, member.member(name), place)

    def _list(self, value: list[Any], member: _Member, place: _Place) -> None:
        for item in value:
            kind = type(item)
            if kind is dict:
                self._object(item, member, place)
            elif kind is str:
                if item:
                    self._string(item, member, place)
                self._strings += 1
            elif kind is list:
                self._list(item, member, place)

    def _string(self, text: str, member: _Member, place: _Place) -> None:
        pieces = member.texts.get(place)
        if pieces is None:
            pieces = member.texts[place] = _Pieces()
        pieces.texts.append(text)
        pieces.documents.append(self._document)
        pieces.strings.append(self._strings)


def _place_of(value: dict[str, Any]) -> _Place:
    """Return what tells the texts of an object from those of others; some leave out a zero."""
    found: _Place = ()
    for name in _PLACES:
        place = value.get(name)
        if place and isinstance(place, str | int):
            if name == "item_id" and "output_index" in value:
                continue  # a few servers send another id with each event
            found += ((name, place),)
    if isinstance(value.get("delta"), str):
        kind = value.get("type")
        if isinstance(kind, str):
            found += (("type", kind),)
    return found


def redact_stream(data: bytes, framing: Framing, find: Find) -> bytes:
    """Return a stream without the secrets that are in its texts, joined over its events.

    The first piece gets what ``find`` says, the others lose their part.  Without secrets it is
    the same object.

    :param data: it may begin and end anywhere; what is not JSON stays as it is.
    """
    text = data.decode("latin-1")
    collector = _Collector()
    places: list[Lines] = []
    for lines, value in documents(text, framing):
        collector.add(len(places), value)
        places.append(lines)
    changes: dict[int, dict[int, list[Replacement]]] = {}
    for pieces in collector.root.pieces():
        if len(pieces.texts) > 1:
            _add_changes(pieces, find, changes)
    if not changes:
        return data
    out: list[str] = []
    done = 0
    for number, strings in sorted(changes.items()):
        lines = places[number]
        for (start, end), changed in zip(lines, _changed(text, lines, strings), strict=True):
            out += (text[done:start], changed)
            done = end
    return "".join((*out, text[done:])).encode("latin-1")


def _add_changes(
    pieces: _Pieces, find: Find, changes: dict[int, dict[int, list[Replacement]]]
) -> None:
    found = find("".join(pieces.texts))
    if not found:
        return
    starts = list(accumulate(map(len, pieces.texts), initial=0))
    for start, end, mark in found:
        number = bisect_right(starts, start) - 1
        while number < len(pieces.texts) and starts[number] < end:
            begin = starts[number]
            part = (max(start, begin) - begin, min(end, starts[number + 1]) - begin, mark)
            strings = changes.setdefault(pieces.documents[number], {})
            strings.setdefault(pieces.strings[number], []).append(part)
            mark = ""
            number += 1


def _changed(text: str, lines: Lines, strings: dict[int, list[Replacement]]) -> Sequence[str]:
    """Return the lines of a document with changed strings.

    If its strings are not where they are expected, such as with a member that occurs twice, all of
    it is replaced.
    """
    document = "\n".join([text[start:end] for start, end in lines])
    found = list(_STRING.finditer(document))
    values = [each for each in found if each[2] is None]
    decoded = [parse(f'"{each[1]}"') for each in values]
    if decoded != list(_strings(parse(document))):
        return [_REPLACED_EVENT, *[""] * (len(lines) - 1)]
    changes = {values[number].start(): parts for number, parts in strings.items()}
    removed = {decoded[number] for number in strings}
    out: list[str] = []
    done = 0
    name = ""
    values_left = iter(decoded)
    for each in found:
        if each[2] is not None:
            name = each[1]
            continue
        value = next(values_left)
        parts = changes.get(each.start())
        if parts is None and name == "token" and value in removed:
            parts = [(0, len(value), "")]  # it is one of several that were likely
        if parts is not None:
            out += (document[done : each.start(1)], _replace(each[1], parts))
            done = each.end(1)
    changed = "".join((*out, document[done:]))
    changed = _TOKEN_BYTES.sub(lambda each: f"{each[1]}null" + "\n" * each[2].count("\n"), changed)
    return [changed] if len(lines) == 1 else changed.split("\n")


def _replace(literal: str, parts: Sequence[Replacement]) -> str:
    """Return the inside of a string of JSON with other parts."""
    characters: list[str] = _CHARACTER.findall(literal)
    out: list[str] = []
    done = 0
    for start, end, mark in parts:
        out += (*characters[done:start], json.dumps(mark, ensure_ascii=False)[1:-1])
        done = end
    return "".join((*out, *characters[done:]))


def _strings(value: Any) -> Iterator[str]:
    """Yield all strings of a value in order, without the names of members."""
    waiting: list[Iterator[Any]] = [iter([value])]
    while waiting:
        for each in waiting[-1]:
            if isinstance(each, str):
                yield each
            elif isinstance(each, dict | list):
                waiting.append(iter(each.values() if isinstance(each, dict) else each))
                break
        else:
            waiting.pop()
