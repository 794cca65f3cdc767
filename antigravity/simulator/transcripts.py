"""Transcripts of recordings; pure.

There is no speech recognition: a recording contains its transcript as directives, between any
other bytes.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

_HIDDEN: Final = re.compile(rb"\[\[[a-z]+(?:(?!\[\[|\]\])[^\x00-\x09])*\]\]")
#: Duration of each segment of a transcript in seconds.
SEGMENT_SECONDS: Final = 1.5
_WORDS: Final = 4


def find_hidden_directives(data: bytes) -> str:
    """Return the directives in a recording."""
    return " ".join(found.decode("utf-8", "replace") for found in _HIDDEN.findall(data))


def split_segments(text: str) -> list[dict[str, Any]]:
    """Return a text as segments of a few words, with times."""
    name_set = text.split()
    runs = [" ".join(name_set[i : i + _WORDS]) for i in range(0, len(name_set), _WORDS)]
    return [
        {"start": number * SEGMENT_SECONDS, "end": (number + 1) * SEGMENT_SECONDS, "text": run}
        for number, run in enumerate(runs)
    ]


def split_words(text: str) -> list[dict[str, Any]]:
    """Return the single words of a text, with times."""
    found = []
    for piece in split_segments(text):
        name_set = piece["text"].split()
        step = SEGMENT_SECONDS / len(name_set)
        edges = [round(piece["start"] + step * i, 3) for i in range(len(name_set) + 1)]
        for word, (start, end) in zip(name_set, itertools.pairwise(edges), strict=True):
            found.append({"word": word, "start": start, "end": end})
    return found


def wants_timestamps(schema: Any) -> bool:
    """Return whether a response schema is that of a transcript with times."""
    return isinstance(schema, dict) and "segments" in (schema.get("properties") or {})


def build_timed_transcript(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a transcript that fits a schema."""
    properties = schema["properties"]
    segments = split_segments(text)
    if "speaker" in properties["segments"]["items"]["properties"]:
        segments = [{**each, "speaker": "AB"[n % 2]} for n, each in enumerate(segments)]
    response: dict[str, Any] = {"language": "english", "segments": segments}
    if "words" in properties:
        response["words"] = split_words(text)
    return response
