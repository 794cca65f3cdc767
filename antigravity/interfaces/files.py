"""Files that the gateway serves for a while, to who knows their names."""

from __future__ import annotations

from msgspec import Struct
from zope.interface import Interface


class PublishedFile(Struct, frozen=True):
    """A file, and the seconds that are left of it."""

    mime_type: str
    data: bytes
    remaining: float


class IPublishedFiles(Interface):
    """Keeps files, bounded by time and bytes."""

    def publish(mime_type: str, data: bytes) -> str:
        """Keep a file, and return its name, which nobody can guess.

        It is empty if the file is larger than all that may be kept.
        """

    def find(name: str) -> PublishedFile | None:
        """Return a file, ``None`` if there is none of that name (any more)."""
