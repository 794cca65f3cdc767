"""What a client meant by a path that leads nowhere.

Base addresses are entered with and without ``/v1``, with a whole endpoint, with a provider's
prefix; libraries then append their own.  Nothing is decoded here: paths stay as they came,
percent signs and all, so that an encoded slash never becomes a real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

_VERSIONS: Final = ("v1", "v1beta")
#: Versions that exist elsewhere and mean one of ours.
_FOREIGN_VERSIONS: Final = frozenset({"v1alpha", "v1beta1", "v1beta2"})
#: Prefixes and the protocol that each one names, if any.
_PREFIXES: Final = {
    "openai": "openai_chat",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "gemini": "gemini",
    "google": "gemini",
    "api": "",
}
#: What people put at the end of a base address by mistake, longest first.
_ENDPOINTS: Final = (
    ("chat", "completions"),
    ("messages", "count_tokens"),
    ("images", "generations"),
    ("images", "edits"),
    ("audio", "transcriptions"),
    ("completions",),
    ("responses",),
    ("messages",),
    ("embeddings",),
    ("models",),
)
#: Longer paths are no slips of the pen.
_MOST_SEGMENTS: Final = 24


class CorrectedPath(Struct, frozen=True):
    """Another reading of a path, and the ``protocol`` that its prefix names, if any."""

    path: str
    protocol: str = ""


def corrections(path: str) -> Iterator[CorrectedPath]:
    """Yield other readings of ``path``, the likeliest first, none twice, ``path`` never."""
    segments = [segment for segment in path.split("/") if segment]
    if not segments or len(segments) > _MOST_SEGMENTS:
        return
    seen = {path}
    for correction in _readings(segments, (), ""):
        if correction.path not in seen:
            seen.add(correction.path)
            yield correction


def _readings(
    segments: Sequence[str], versions: tuple[str, ...], protocol: str
) -> Iterator[CorrectedPath]:
    """Yield readings of ``segments``; ``versions`` were cut off before them, last one first."""
    while True:
        yield CorrectedPath("/" + "/".join(segments), protocol)
        if segments[0] not in _VERSIONS:
            for version in dict.fromkeys((*versions, *_VERSIONS)):
                yield CorrectedPath("/".join(("", version, *segments)), protocol)
        head = segments[0]
        if head in _VERSIONS:
            versions = (head, *versions)
        elif head in _PREFIXES:
            protocol = _PREFIXES[head] or protocol
        elif head not in _FOREIGN_VERSIONS:
            break
        segments = segments[1:]
        if not segments:
            return
    for endpoint in _ENDPOINTS:
        rest = segments[len(endpoint) :]
        if rest and tuple(segments[: len(endpoint)]) == endpoint:
            yield from _readings(rest, versions, protocol)
