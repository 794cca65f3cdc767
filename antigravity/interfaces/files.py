"""Files that the gateway publishes for a limited time, under secret names."""

from __future__ import annotations

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface


class PublishedFile(Struct, frozen=True):
    """A file, and the seconds until it expires."""

    mime_type: str
    data: bytes
    remaining: float


class IPublishedFiles(Interface):
    """Stores files, with limits on time and bytes."""

    def publish(mime_type: str, data: bytes) -> str:
        """Store a file and return its random name; it is empty if the file is too large."""

    def fetch(name: str) -> Deferred[PublishedFile | None]:
        """Return a Deferred with a file, ``None`` if it does not exist or has expired."""
