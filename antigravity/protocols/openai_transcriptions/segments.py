"""Reads what a model says of the times, and puts it right: models guess, and miss."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.errors import UpstreamError

#: Some models put Markdown around JSON.
_FENCE: Final = re.compile(r"\A\s*```[a-z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_CLOCK: Final = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d+)?)")
_PLAIN: Final = re.compile(r"(\d+(?:[.,]\d+)?)\s*s?")


class Segment(Struct, frozen=True):
    """A stretch of speech, or a word; times are in seconds."""

    start: float
    end: float
    text: str
    speaker: str = ""


class Transcript(Struct, frozen=True):
    """All that was said; ``seconds`` is how long the recording is, or its last word's end."""

    segments: tuple[Segment, ...]
    words: tuple[Segment, ...] = ()
    language: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The whole text."""
        return joined([segment.text for segment in self.segments])


def parse(text: str, seconds: float | None) -> Transcript:
    """Return the transcript in a model's answer, its times in order and within the recording.

    :raises UpstreamError: if it has not the form that was asked for.
    """
    fenced = _FENCE.match(text)
    try:
        answer = msgspec.json.decode(fenced[1] if fenced else text)
        if not isinstance(answer, dict):
            raise ValueError("it is no object")
        segments = _ordered(_items(answer.get("segments"), "text"), seconds)
        words = _ordered(_items(answer.get("words", []), "word"), seconds)
    except (ValueError, RecursionError) as error:
        raise UpstreamError(
            f"The model's transcript has not the form that it was asked for ({error}); try again.",
            code="bad_transcript",
        ) from error
    language = answer.get("language")
    last = max((segment.end for segment in segments), default=0.0)
    return Transcript(
        segments,
        words,
        language.strip().lower() if isinstance(language, str) else "",
        last if seconds is None else seconds,
    )


def _items(items: Any, name: str) -> list[Segment]:
    """Return what a list holds; what says nothing is left out.

    :raises ValueError: if it is no such list.
    """
    if not isinstance(items, list):
        raise ValueError("a list is missing")
    found = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get(name), str):
            raise ValueError(f"an entry has no {name}")
        said = " ".join(item[name].split())
        speaker = item.get("speaker")
        if said:
            start, end = to_seconds(item.get("start")), to_seconds(item.get("end"))
            speaker = speaker.strip() if isinstance(speaker, str) else ""
            found.append(Segment(start, end, said, speaker))
    return found


def to_seconds(value: Any) -> float:
    """Return a time as seconds; models also write ``01:05.5``.

    :raises ValueError: if it is no time.
    """
    if isinstance(value, str):
        clock, plain = _CLOCK.fullmatch(value.strip()), _PLAIN.fullmatch(value.strip())
        if clock is not None:
            last = float(clock[3].replace(",", "."))
            return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + last
        if plain is not None:
            return float(plain[1].replace(",", "."))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and number >= 0:
            return number
    raise ValueError(f"{str(value)[:40]!r} is no time")


def _ordered(items: list[Segment], seconds: float | None) -> tuple[Segment, ...]:
    """Return the items with times that never go back, and that end with the recording."""
    ordered, before = [], 0.0
    most = math.inf if seconds is None else seconds
    for item in items:
        start = min(max(item.start, before), most)
        end = min(max(item.end, start), most)
        ordered.append(Segment(round(start, 3), round(end, 3), item.text, item.speaker))
        before = start
    return tuple(ordered)


def joined(texts: list[str]) -> str:
    """Return texts as one, with a space between them where their script has spaces."""
    pieces: list[str] = []
    for text in texts:
        if pieces and not (_unspaced(pieces[-1][-1]) and _unspaced(text[0])):
            pieces.append(" ")
        pieces.append(text)
    return "".join(pieces)


def _unspaced(character: str) -> bool:
    """Return whether a character is of a script without spaces: Chinese, Japanese, Thai."""
    code = ord(character)
    if 0xAC00 <= code <= 0xD7AF:  # Korean has spaces
        return False
    return 0x2E80 <= code < 0xFB00 or 0xFF00 <= code < 0xFFF0 or 0x0E00 <= code < 0x0E80
