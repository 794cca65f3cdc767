"""URLs of videos that Google fetches itself."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_HOSTS: Final = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})


def is_youtube(url: str) -> bool:
    """Return whether ``url`` is that of a YouTube video."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and (parts.hostname or "") in _HOSTS
    except ValueError:
        return False
