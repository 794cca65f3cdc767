"""Encodes transcripts as captions: SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from antigravity.protocols.openai_transcriptions.segments import Segment

#: The minimum of a cue in milliseconds: WebVTT requires that it ends after its start.
_SHORTEST = 1


def srt(segments: Sequence[Segment]) -> str:
    """Return captions in the SubRip format."""
    blocks = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(segments), 1)
    ]
    return "\n".join(blocks)


def vtt(segments: Sequence[Segment]) -> str:
    """Return captions in the WebVTT format."""
    blocks = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_escaped(text)}\n"
        for start, end, text in _cues(segments)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _cues(segments: Sequence[Segment]) -> Iterator[tuple[int, int, str]]:
    """Yield start and end in milliseconds, and text; a cue ends before the next one begins."""
    for place, segment in enumerate(segments):
        start, end = round(segment.start * 1000), round(segment.end * 1000)
        if place + 1 < len(segments):
            following = round(segments[place + 1].start * 1000)
            if following > start:
                end = min(end, following)
        # A blank line would end the cue.
        yield start, max(end, start + _SHORTEST), " ".join(segment.text.split())


def _clock(milliseconds: int, separator: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{thousandths:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
