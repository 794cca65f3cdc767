"""Files in memory with names that cannot be guessed, for a limited time."""

from __future__ import annotations

import mimetypes
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.files import IPublishedFiles, PublishedFile

#: The number of files; the search for expired ones is linear.
MAX_FILES: Final = 10_000


@implementer(IPublishedFiles)
class PublishedFiles:
    """Files that are removed when they expire or newer ones need their space.

    ``now`` returns seconds.
    """

    def __init__(self, now: Callable[[], float], *, max_bytes: int, ttl: float) -> None:
        self._now = now
        self._files: OrderedDict[str, tuple[float, str, bytes]] = OrderedDict()
        self._bytes = 0
        self.configure(max_bytes=max_bytes, ttl=ttl)

    def __len__(self) -> int:
        return len(self._files)

    def configure(self, *, max_bytes: int, ttl: float) -> None:
        """Change the limits; files that are already there keep their expiry."""
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._make_room(0, 0)

    def publish(self, mime_type: str, data: bytes) -> str:
        """Store a file and return its name, empty if it is larger than the limit."""
        if len(data) > self._max_bytes:
            return ""
        self._make_room(1, len(data))
        name = secrets.token_urlsafe(24) + (mimetypes.guess_extension(mime_type) or "")
        self._files[name] = (self._now() + self._ttl, mime_type, data)
        self._bytes += len(data)
        return name

    def find(self, name: str) -> PublishedFile | None:
        """Return a file, ``None`` if it is missing or has expired."""
        self._expire()
        found = self._files.get(name)
        if found is None:
            return None
        expires, mime_type, data = found
        return PublishedFile(mime_type, data, expires - self._now())

    def _make_room(self, files: int, size: int) -> None:
        """Remove the oldest files until ``files`` more of ``size`` bytes fit."""
        self._expire()
        while len(self._files) > MAX_FILES - files or self._bytes + size > self._max_bytes:
            self._remove(next(iter(self._files)))

    def _expire(self) -> None:
        now = self._now()
        for name in [name for name, (expires, _, _) in self._files.items() if expires <= now]:
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._bytes -= len(self._files.pop(name)[2])
