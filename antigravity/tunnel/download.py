"""Download a file of a known size and digest over HTTPS."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import IO, Any, Final
from urllib.parse import urljoin, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
    Timeouts,
)
from antigravity.ir.errors import GatewayError
from antigravity.tunnel.release import InstallError
from antigravity.version import VERSION

#: Called with the number of bytes so far, and the total.
Progress = Callable[[int, int], object]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5
_LARGEST_RESPONSE: Final = 4 * 1024 * 1024
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def check_address(url: str) -> str:
    """Return ``url`` if it is allowed: HTTPS, or on this machine.

    :raises InstallError: if it is not.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise InstallError(f"{parts.scheme}://{parts.hostname} is not allowed; use an https address")


class ReleaseDownload:
    """A downloader of releases, through the HTTP ``proxy`` if there is one."""

    def __init__(self, transport: IHttpTransport, proxy: str = "") -> None:
        self._transport = transport
        self._proxy = proxy or None

    async def read(self, url: str) -> bytes:
        """Return a small response body.

        :raises InstallError: if the request fails.
        """
        try:
            response = await self._get(url, "application/vnd.github+json")
            return bytes(await response.collect(_LARGEST_RESPONSE))
        except GatewayError as error:
            raise InstallError(f"{urlsplit(url).hostname} cannot be reached: {error}") from error

    async def save(self, url: str, file: IO[bytes], size: int, progress: Progress) -> str:
        """Write the body at ``url`` to ``file``, and return its SHA-256.

        :raises InstallError: if the request fails, or the body does not have ``size`` bytes.
        """
        try:
            response = await self._get(url, "application/octet-stream")
            sink = _Sink(file, size, progress)
            response.deliver(sink)
            return await sink.done
        except GatewayError as error:
            raise InstallError(f"the download was interrupted: {error}") from error

    async def _get(self, url: str, accept: str) -> IIncomingResponse:
        """Return the response, after redirects; no request holds a secret."""
        headers = (("accept", accept), ("user-agent", f"antigravity/{VERSION}"))
        limits = Timeouts(first_byte=60.0, idle=60.0)
        for _ in range(_MOST_REDIRECTS + 1):
            proxy = self._proxy if url.startswith("https:") else None
            request = OutgoingRequest("GET", check_address(url), headers, b"", limits, proxy)
            response = await self._transport.send(request)
            status = response.status()
            if status == 200:
                return response
            location = response.headers().get("location", "")
            response.abort()
            if status not in _REDIRECTS or not location:
                raise InstallError(f"{urlsplit(url).hostname} responded with status {status}")
            url = urljoin(url, location)
        raise InstallError(f"{urlsplit(url).hostname} sent too many redirects")


class _Sink(Protocol):
    """A reader that writes a body to a file and computes its digest."""

    def __init__(self, file: IO[bytes], size: int, progress: Progress) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._seen = 0
        self._digest = hashlib.sha256()
        self._fault: Exception | None = None
        self.done: Deferred[str] = Deferred(lambda _: self._stop(None))

    def dataReceived(self, data: bytes) -> None:
        """Write a part of the body."""
        self._seen += len(data)
        if self._seen > self._size:
            self._stop(InstallError(f"the file is larger than {self._size} bytes"))
            return
        try:
            self._file.write(data)
        except OSError as error:
            self._stop(error)
            return
        self._digest.update(data)
        self._progress(self._seen, self._size)

    def _stop(self, fault: Exception | None) -> None:
        self._fault = self._fault or fault
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the body."""
        if self.done.called:
            return
        if self._fault is not None:
            self.done.errback(self._fault)
        elif reason.check(ResponseDone) is None:
            self.done.errback(reason)
        elif self._seen != self._size:
            fault = InstallError(f"the file has {self._seen} bytes instead of {self._size}")
            self.done.errback(fault)
        else:
            self.done.callback(self._digest.hexdigest())


def check_digest(digest: str, expected: str) -> None:
    """Check that a digest is the expected one.

    :raises InstallError: if they differ.
    """
    if not hmac.compare_digest(digest, expected):
        raise InstallError(f"the file differs from the released one: its SHA-256 is {digest}")
