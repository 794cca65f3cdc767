"""The address of a Redis or Valkey server, which may hold a password."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

_PLAIN: Final = frozenset({"redis", "valkey"})
_TLS: Final = frozenset({"rediss", "valkeys"})
_SOCKET: Final = "redis+unix"
_CONNECT_TIMEOUT: Final = 5.0


class RedisAddress:
    """A server: ``redis://user:password@host:port/database``, ``rediss://…``, ``valkey://…``.

    ``redis+unix:///path`` is a Unix socket.

    :ivar name: the address without user and password, for people.
    :raises ValueError: if it is invalid; the message does not quote it.
    """

    __slots__ = ("_host", "_is_tls", "_path", "_port", "database", "name", "password", "user")

    def __init__(self, url: str) -> None:
        parts = _split(url)
        if parts.scheme not in _PLAIN | _TLS | {_SOCKET}:
            raise ValueError("an address of Redis begins with redis://, rediss:// or valkey://")
        self._is_tls = parts.scheme in _TLS
        self._path = unquote(parts.path) if parts.scheme == _SOCKET else ""
        self._host, self._port = parts.hostname or "localhost", _port(parts) or 6379
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None
        number = "" if self._path else parts.path.strip("/")
        if number and not number.isdecimal():
            raise ValueError("the database of a Redis address is a number")
        self.database = int(number) if number else None
        place = parts.netloc.rpartition("@")[2]
        self.name = f"{parts.scheme}://{place}{parts.path}"

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """Return where to connect; certificates are verified."""
        if self._path:
            return UNIXClientEndpoint(reactor, self._path, timeout=_CONNECT_TIMEOUT)
        plain = HostnameEndpoint(reactor, self._host, self._port, timeout=_CONNECT_TIMEOUT)
        return wrapClientTLS(optionsForClientTLS(self._host), plain) if self._is_tls else plain

    def __repr__(self) -> str:
        return f"RedisAddress({self.name!r})"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("the host of the Redis address is invalid") from None


def _port(parts: SplitResult) -> int | None:
    """Return the port; the standard library's error quotes what may be a password."""
    try:
        return parts.port
    except ValueError:
        raise ValueError("the port of the Redis address is no number up to 65535") from None
