"""The instruction for a model without a transcription endpoint, and its response format."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.request import ResponseFormat
from antigravity.protocols.openai_transcriptions.call_parser import ParsedCall

#: A model's response to silence: an empty response would look like a failure.
SILENCE: Final = "[no speech]"

_EXACT: Final = "Write down exactly what is said, in the language in which it is said."
_ENGLISH: Final = "Translate what is said into English."
_PLAIN: Final = (
    "Answer with that text alone: no introduction, no comments, no names of speakers, no times, "
    f"no Markdown. If nobody speaks, answer {SILENCE} and nothing else."
)
_TIMED: Final = (
    "Cut it into short segments, a sentence or less each, in the order of the recording. Give the "
    "start and the end of each in seconds from the beginning of the recording, with decimals: one "
    "minute and five and a half seconds is 65.5. If nobody speaks, give no segments."
)
_WORDS: Final = "Give the start and the end of every single word, too."
_SPEAKERS: Final = (
    "Begin a new segment where another person begins to speak. Name the speakers A, B, C and so "
    "on, in the order in which they are first heard, and each always alike."
)


def instruction(parsed: ParsedCall, operator: str, *, english: bool, seconds: float | None) -> str:
    """Return the instruction, the operator's part first."""
    body = parsed.body
    lines = [operator.strip(), _ENGLISH if english else _EXACT]
    languages = [*([body.language] if body.language else []), *body.languages]
    if languages:
        codes = ", ".join(language[:35] for language in languages)
        lines.append(f"The speech is in the language with this code (ISO 639): {codes}.")
    if parsed.timed:
        lines.append(_TIMED)
        if seconds is not None:
            lines.append(f"The recording is {seconds:g} seconds long.")
    else:
        lines.append(_PLAIN)
    if parsed.words:
        lines.append(_WORDS)
    if parsed.speakers:
        lines.append(_SPEAKERS)
    if body.keywords:
        lines.append(f"These words may occur in it: {', '.join(body.keywords)}.")
    if body.prompt:
        lines.append(
            "Hints about names, spelling and style, which are not part of the recording and must "
            f"not be repeated:\n{body.prompt}"
        )
    return "\n".join(line for line in lines if line)


def response_format_for(parsed: ParsedCall) -> ResponseFormat:
    """Return the response format: text, or segments with times."""
    if not parsed.timed:
        return ResponseFormat()
    schema = _object(
        {
            "language": {
                "type": "string",
                "description": "English name of the language that is spoken, in lower case",
            },
            "segments": {"type": "array", "items": _segment(speakers=parsed.speakers)},
        }
    )
    if parsed.words:
        schema["properties"]["words"] = {"type": "array", "items": _timed("word")}
        schema["required"].append("words")
    return ResponseFormat("schema", "transcript", "The transcript with its times.", schema)


def _segment(*, speakers: bool) -> dict[str, Any]:
    segment = _timed("text")
    if speakers:
        segment["properties"]["speaker"] = {"type": "string"}
        segment["required"].append("speaker")
    return segment


def _timed(name: str) -> dict[str, Any]:
    return _object(
        {
            "start": {"type": "number", "description": "seconds from the beginning"},
            "end": {"type": "number", "description": "seconds from the beginning"},
            name: {"type": "string"},
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
