"""Finds the JSON documents of a stream: events, lines, or the elements of an array.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

#: How the documents of a stream are separated.
Framing = Literal["events", "objects"]
#: The lines that a document consists of: where each begins and ends in the text.
Lines = tuple[tuple[int, int], ...]

#: How a stream of events begins, whatever its type says.
_EVENTS: Final = re.compile(r"\s*(?:\xef\xbb\xbf)?(?::|(?:data|event|id|retry):)")
#: How an array of objects begins, and lines with an object each.
_OBJECTS: Final = re.compile(r"\s*(?:\[\s*\{|\{[^\r\n]*\}[ \t]*[\r\n]\s*\{)")
#: A line with data.  It begins with its name, which is found ten times as fast.
_DATA: Final = re.compile(
    r"data:(?:(?<=[\r\n]data:)|(?<=\Adata:)|(?<=\A\xef\xbb\xbfdata:)) ?([^\r\n]*)"
)
_BEGINNINGS: Final = ("{", "[", '"', " ", "\t")
_BLANK: Final = re.compile(r"\n\r?\n|\r\r")
#: Where an object may begin after one that cannot be read.
_NEXT: Final = re.compile(r"[\r\n}][\s,\[]*\{")
#: So many times reading goes on after a document that cannot be read.
_MOST_FAILURES: Final[Mapping[Framing, int]] = {"events": 10_000, "objects": 200}
#: So many characters, as a multiple of the text, are read without success.
_MOST_WORK: Final = 4
_DECODER: Final = json.JSONDecoder()


def framing_of(kind: str, text: str) -> Framing | None:
    """Return how documents are separated, ``None`` in a body that is no stream of JSON.

    :param kind: the type of the body, without parameters, in lower case.
    :param text: its beginning.
    """
    if kind == "text/event-stream" or _EVENTS.match(text):
        return "events"
    return "objects" if _OBJECTS.match(text) else None


def documents(text: str, framing: Framing) -> Iterator[tuple[Lines, Any]]:
    """Yield where the documents are, and their values; what cannot be read is left out.

    :param text: bytes decoded as Latin-1; it may begin and end anywhere.
    """
    return _events(text) if framing == "events" else _objects(text)


def parse(text: str) -> Any:
    """Return the value of a document.

    :raises ValueError: if it is malformed, or nested too deeply.
    """
    try:
        text = text.strip()
        value, end = _DECODER.raw_decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if end < len(text):
        raise ValueError("something follows")
    return value


def _events(text: str) -> Iterator[tuple[Lines, Any]]:
    failures = 0
    for each in _lines_of_events(text):
        first, last = each[0]
        data = text[first:last]
        if len(each) > 1:
            data = "\n".join([text[start:end] for start, end in each])
        if not data.startswith(_BEGINNINGS):
            continue
        try:
            value = parse(data)
        except ValueError:
            failures += 1
            if failures > _MOST_FAILURES["events"]:
                return
            continue
        yield each, value


def _lines_of_events(text: str) -> Iterator[Lines]:
    lines: list[tuple[int, int]] = []
    for found in _DATA.finditer(text):
        if lines:
            end = lines[-1][1]
            if text.startswith("\n\n", end) or _BLANK.search(text, end, found.start()):
                yield tuple(lines)
                lines = []
        lines.append(found.span(1))
    if lines:
        yield tuple(lines)


def _objects(text: str) -> Iterator[tuple[Lines, Any]]:
    place, failures, work = text.find("{"), 0, 0
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            failures += 1
            work += getattr(error, "pos", len(text)) - place
            if failures > _MOST_FAILURES["objects"] or work > _MOST_WORK * len(text):
                return
            found = _NEXT.search(text, place)
            place = -1 if found is None else found.end() - 1
            continue
        yield ((place, end),), value
        place = text.find("{", end)
