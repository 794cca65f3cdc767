"""Files in memory under names that nobody can guess, for a bounded time."""

from __future__ import annotations

import mimetypes
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.files import IPublishedFiles, PublishedFile

#: Looking for what has expired takes longer with each of them.
MOST: Final = 10_000


@implementer(IPublishedFiles)
class PublishedFiles:
    """Keeps files until their time is over, or newer ones need their place.

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
        """Keep so much for so long, from now on; what was kept before keeps its time."""
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._make_room(0, 0)

    def publish(self, mime_type: str, data: bytes) -> str:
        """Keep a file, and return its name, empty if there is no room for it at all."""
        if len(data) > self._max_bytes:
            return ""
        self._make_room(1, len(data))
        name = secrets.token_urlsafe(24) + (mimetypes.guess_extension(mime_type) or "")
        self._files[name] = (self._now() + self._ttl, mime_type, data)
        self._bytes += len(data)
        return name

    def find(self, name: str) -> PublishedFile | None:
        """Return a file, ``None`` if there is none of that name (any more)."""
        self._expire()
        found = self._files.get(name)
        if found is None:
            return None
        expires, mime_type, data = found
        return PublishedFile(mime_type, data, expires - self._now())

    def _make_room(self, files: int, size: int) -> None:
        """Make room for so many files of so many bytes."""
        self._expire()
        while len(self._files) > MOST - files or self._bytes + size > self._max_bytes:
            self._forget(next(iter(self._files)))

    def _expire(self) -> None:
        now = self._now()
        for name in [name for name, (expires, _, _) in self._files.items() if expires <= now]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._bytes -= len(self._files.pop(name)[2])
