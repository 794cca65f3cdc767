"""The base addresses of upstreams.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import UpstreamSettings

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class BaseUrl(Struct, frozen=True):
    """A base address: ``origin`` and ``path`` without a slash at the end, and a ``query``."""

    origin: str
    path: str
    query: str = ""

    @property
    def host(self) -> str:
        """The name of the host, without a port."""
        return urlsplit(self.origin).hostname or ""

    def without(self, end: str) -> BaseUrl:
        """Return the address without ``end`` at the end of its path."""
        return BaseUrl(self.origin, self.path.removesuffix(end), self.query)

    def with_default(self, path: str) -> BaseUrl:
        """Return the address with ``path`` if it has none."""
        return BaseUrl(self.origin, self.path or path, self.query)

    def join(self, path: str, query: str = "") -> str:
        """Return the address of ``path`` below this one."""
        if not query and not self.query:
            return f"{self.origin}{self.path}{path}"
        query = "&".join(part for part in (self.query, query) if part)
        return f"{self.origin}{self.path}{path}" + (f"?{query}" if query else "")


def parse_base(url: str, key: str) -> BaseUrl:
    """Return the parts of ``url``, the value of ``key`` in the configuration.

    :raises ConfigurationError: if it is not an http or https address.
    """
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, valid = urlsplit(""), False
    if not valid or parts.scheme not in ("http", "https") or not _VISIBLE.fullmatch(url):
        raise ConfigurationError("this must be an http or https URL", key=key)
    if "@" in parts.netloc:
        raise ConfigurationError("credentials do not belong in the URL; use api_key", key=key)
    return BaseUrl(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), parts.query)


def bases_of(settings: UpstreamSettings, name: str, defaults: Sequence[str]) -> tuple[BaseUrl, ...]:
    """Return the base addresses of an upstream, in the order in which they are tried.

    :raises ConfigurationError: if one of them is invalid.
    """
    if settings.base_urls:
        return tuple(
            parse_base(url, f"upstreams.{name}.base_urls[{index}]")
            for index, url in enumerate(settings.base_urls)
        )
    if settings.base_url:
        return (parse_base(settings.base_url, f"upstreams.{name}.base_url"),)
    return tuple(parse_base(url, f"upstreams.{name}.base_url") for url in defaults)


def proxy_of(settings: UpstreamSettings, name: str) -> str | None:
    """Return the proxy of an upstream, ``None`` if it has none.

    :raises ConfigurationError: if it is not an http address; the message does not repeat it.
    """
    if not settings.http_proxy:
        return None
    try:
        parts = urlsplit(settings.http_proxy)
        valid = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            "this must look like http://host:port or http://user:password@host:port",
            key=f"upstreams.{name}.http_proxy",
        )
    return settings.http_proxy
