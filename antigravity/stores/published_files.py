"""Files in memory with names that cannot be guessed, for a limited time."""

from __future__ import annotations

import mimetypes
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from antigravity.interfaces.files import IPublishedFiles, PublishedFile

#: The number of files; the search for expired ones is linear.
MAX_FILES: Final = 10_000


class SharedFiles(Protocol):
    """What gateways share of files; nothing fails."""

    @property
    def is_used(self) -> bool:
        """Whether it is shared now."""

    def put(self, key: str, value: bytes, ttl: float, /) -> None:
        """Store a value, soon."""

    async def find(self, key: str, /) -> bytes | None:
        """Return a value, ``None`` if it is absent."""


@implementer(IPublishedFiles)
class PublishedFiles:
    """Files that are removed when they expire or newer ones need their space.

    ``now`` returns seconds.  ``shared`` is what gateways share of them, if they do: the smaller
    files.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        max_bytes: int,
        ttl: float,
        shared: SharedFiles | None = None,
    ) -> None:
        self._now = now
        self._shared = shared
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
        name = secrets.token_urlsafe(24) + (mimetypes.guess_extension(mime_type) or "")
        self._add(name, mime_type, data, self._ttl)
        if self._shared is not None and self._shared.is_used:
            head = f"{mime_type}\n{time.time() + self._ttl}\n".encode()
            self._shared.put(name, head + data, self._ttl)
        return name

    def fetch(self, name: str) -> Deferred[PublishedFile | None]:
        """Return a Deferred with a file, that of another gateway if it is not here."""
        found = self.find(name)
        if found is not None or self._shared is None or not self._shared.is_used:
            return succeed(found)
        return Deferred.fromCoroutine(self._fetch(self._shared, name))

    async def _fetch(self, shared: SharedFiles, name: str) -> PublishedFile | None:
        value = await shared.find(name)
        if value is None:
            return None
        mime_type, expires, data = value.split(b"\n", 2)
        remaining = float(expires) - time.time()
        if len(data) <= self._max_bytes and remaining > 0:
            self._add(name, mime_type.decode(), data, remaining)
        return self.find(name)

    def _add(self, name: str, mime_type: str, data: bytes, ttl: float) -> None:
        self._make_room(1, len(data))
        self._files[name] = (self._now() + ttl, mime_type, data)
        self._bytes += len(data)

    def find(self, name: str) -> PublishedFile | None:
        """Return a file of this gateway, ``None`` if it is missing or has expired."""
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
