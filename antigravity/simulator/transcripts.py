"""What simulated models hear in a recording; pure.

Nobody transcribes here: what a recording is to have said stands in it as directives, between any
other bytes.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

_HIDDEN: Final = re.compile(rb"\[\[[a-z]+(?:(?!\[\[|\]\])[^\x00-\x09])*\]\]")
#: Seconds of each piece of a transcript.
PACE: Final = 1.5
_WORDS: Final = 4


def hidden_words(data: bytes) -> str:
    """Return the directives that stand in a recording."""
    return " ".join(found.decode("utf-8", "replace") for found in _HIDDEN.findall(data))


def pieces(text: str) -> list[dict[str, Any]]:
    """Return a text as pieces of a few words each, with times."""
    words = text.split()
    runs = [" ".join(words[i : i + _WORDS]) for i in range(0, len(words), _WORDS)]
    return [
        {"start": number * PACE, "end": (number + 1) * PACE, "text": run}
        for number, run in enumerate(runs)
    ]


def spoken_words(text: str) -> list[dict[str, Any]]:
    """Return the single words of a text, with times."""
    found = []
    for piece in pieces(text):
        words = piece["text"].split()
        step = PACE / len(words)
        edges = [round(piece["start"] + step * i, 3) for i in range(len(words) + 1)]
        for word, (start, end) in zip(words, itertools.pairwise(edges), strict=True):
            found.append({"word": word, "start": start, "end": end})
    return found


def asks_for_times(schema: Any) -> bool:
    """Return whether an answer of this form is a transcript with times."""
    return isinstance(schema, dict) and "segments" in (schema.get("properties") or {})


def timed(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a transcript in the form that a schema wants."""
    properties = schema["properties"]
    segments = pieces(text)
    if "speaker" in properties["segments"]["items"]["properties"]:
        segments = [{**each, "speaker": "AB"[n % 2]} for n, each in enumerate(segments)]
    answer: dict[str, Any] = {"language": "english", "segments": segments}
    if "words" in properties:
        answer["words"] = spoken_words(text)
    return answer
