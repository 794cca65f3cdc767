"""The addresses of Code Assist, newest first.

``upstreams.NAME.base_urls`` replaces the list.  :mod:`antigravity.upstreams.next_address` decides
whether the next one is tried.
"""

from __future__ import annotations

from typing import Final

DEFAULT_BASE_URLS: Final = (
    "https://daily-cloudcode-pa.sandbox.googleapis.com",
    "https://daily-cloudcode-pa.googleapis.com",
    "https://cloudcode-pa.googleapis.com",
)


def path_of(method: str) -> str:
    """Return the path of a method of the internal API."""
    return f"/v1internal:{method}"
