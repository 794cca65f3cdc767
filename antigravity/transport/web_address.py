"""The parsed and checked URL of a file to fetch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import idna
from msgspec import Struct

from antigravity.ir.errors import InvalidRequestError

_MAX_LENGTH: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}


class WebAddress(Struct, frozen=True):
    """An http or https address; ``host`` is in its wire form."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """Host and port in the form of a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a signature."""
        return f"{self.scheme}://{self.netloc}{self.target.partition('?')[0]}"

    def is_in_with_port(self, hosts: Collection[str]) -> bool:
        """Return whether ``hosts`` names this host and its port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" in hosts

    def has_default_port(self) -> bool:
        """Return whether the port is 80 or 443."""
        return self.port in _PORTS.values()


def _host(name: str) -> str:
    """Return a host name in its wire form.

    :raises ValueError: if it is not a host name.
    """
    if ":" in name:
        if "%" in name:
            raise ValueError("an address with a zone")
        return name
    if name.isascii():
        return name.rstrip(".")
    return idna.encode(name.rstrip("."), uts46=True).decode("ascii")


def parse_url(url: str) -> WebAddress:
    """Return ``url`` in its parts.

    :raises InvalidRequestError: if it is not a URL that can be fetched.
    """
    if len(url) > _MAX_LENGTH:
        raise InvalidRequestError(f"the URL is longer than {_MAX_LENGTH} characters")
    try:
        parts = urlsplit(url.strip())
        scheme, port = parts.scheme.lower(), parts.port
        host = _host(parts.hostname or "")
    except ValueError:  # also an error of idna
        raise InvalidRequestError("the URL is malformed") from None
    if scheme not in _PORTS:
        raise InvalidRequestError("only http and https URLs can be fetched")
    if "@" in parts.netloc:
        raise InvalidRequestError("the URL must not hold a user name or password")
    if not host or port == 0:
        raise InvalidRequestError("the URL is malformed")
    target = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*[]")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:=&?~+!$,;'@()*[]")
    return WebAddress(scheme, host, port or _PORTS[scheme], target)


def join_url(base: WebAddress, location: str) -> WebAddress:
    """Return the target of a redirect from ``base``.

    :raises InvalidRequestError: as :func:`parse_url` does.
    """
    try:
        url = urljoin(base.url, location)
    except ValueError:
        raise InvalidRequestError("the URL redirects to a malformed URL") from None
    return parse_url(url)
