"""Corrections of paths that no route matches.

Base URLs are entered with and without ``/v1``, with a whole endpoint, with a provider's
prefix; libraries then append their own.  Paths stay percent-encoded here, so that an encoded
slash never becomes a real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

_VERSIONS: Final = ("v1", "v1beta")
#: Versions of other APIs, which are replaced by one of the gateway's.
_FOREIGN_VERSIONS: Final = frozenset({"v1alpha", "v1beta1", "v1beta2"})
#: Prefixes and the protocol that each one names, if any.
_PREFIXES: Final = {
    "openai": "openai_chat",
    "cursor": "openai_chat",  # of gateways that serve Cursor at a path of its own
    "anthropic": "anthropic",
    "claude": "anthropic",
    "gemini": "gemini",
    "google": "gemini",
    "api": "",
}
#: Endpoints that users append to a base URL by mistake, longest first.
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
#: Longer paths are not corrected.
_MOST_SEGMENTS: Final = 24


class CorrectedPath(Struct, frozen=True):
    """A corrected path, and the ``protocol`` that its prefix named, if any."""

    path: str
    protocol: str = ""


def corrections(path: str) -> Iterator[CorrectedPath]:
    """Yield distinct corrections of ``path``, the most likely first."""
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
    """Yield corrections of ``segments``.

    :param versions: the versions that were removed before them, last one first.
    """
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
