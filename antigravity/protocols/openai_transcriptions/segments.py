"""Parses a model's transcript with times, and corrects the times, which models estimate."""

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
    """A segment of speech, or a word; times are in seconds."""

    start: float
    end: float
    text: str
    speaker: str = ""


class Transcript(Struct, frozen=True):
    """A whole transcript; ``seconds`` is the length of the recording, or the last end."""

    segments: tuple[Segment, ...]
    words: tuple[Segment, ...] = ()
    language: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The whole text."""
        return join_texts([segment.text for segment in self.segments])


def parse(text: str, seconds: float | None) -> Transcript:
    """Return the transcript in a model's response, its times in order and within the recording.

    :raises UpstreamError: if it does not have the requested format.
    """
    fenced = _FENCE.match(text)
    try:
        response = msgspec.json.decode(fenced[1] if fenced else text)
        if not isinstance(response, dict):
            raise ValueError("it is not an object")
        segments = _ordered(_items(response.get("segments"), "text"), seconds)
        words = _ordered(_items(response.get("words", []), "word"), seconds)
    except (ValueError, RecursionError) as error:
        raise UpstreamError(
            f"The model's transcript does not have the requested format ({error}); try again.",
            code="bad_transcript",
        ) from error
    language = response.get("language")
    last = max((segment.end for segment in segments), default=0.0)
    return Transcript(
        segments,
        words,
        language.strip().lower() if isinstance(language, str) else "",
        last if seconds is None else seconds,
    )


def _items(items: Any, name: str) -> list[Segment]:
    """Return the segments in a list, without empty ones.

    :raises ValueError: if the list is malformed.
    """
    if not isinstance(items, list):
        raise ValueError("a list is missing")
    found = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get(name), str):
            raise ValueError(f"an entry has no {name}")
        text = " ".join(item[name].split())
        speaker = item.get("speaker")
        if text:
            start, end = to_seconds(item.get("start")), to_seconds(item.get("end"))
            speaker = speaker.strip() if isinstance(speaker, str) else ""
            found.append(Segment(start, end, text, speaker))
    return found


def to_seconds(value: Any) -> float:
    """Return a time as seconds; models also write ``01:05.5``.

    :raises ValueError: if it is not a time.
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
    raise ValueError(f"{str(value)[:40]!r} is not a time")


def _ordered(items: list[Segment], seconds: float | None) -> tuple[Segment, ...]:
    """Return the items with ascending times within the recording."""
    ordered, before = [], 0.0
    most = math.inf if seconds is None else seconds
    for item in items:
        start = min(max(item.start, before), most)
        end = min(max(item.end, start), most)
        ordered.append(Segment(round(start, 3), round(end, 3), item.text, item.speaker))
        before = start
    return tuple(ordered)


def join_texts(texts: list[str]) -> str:
    """Return joined texts, with a space between them if their script has spaces."""
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
