"""Addresses of servers and of their metadata, sans-IO (RFC 8414 3.1, RFC 8707 2, RFC 9728 3.1)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from antigravity.oauth.errors import DiscoveryError

PROTECTED_RESOURCE: Final = "/.well-known/oauth-protected-resource"
AUTHORIZATION_SERVER: Final = "/.well-known/oauth-authorization-server"
OPENID: Final = "/.well-known/openid-configuration"
_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 4096
#: The characters of a URL that is sent as it is.
_URL: Final = re.compile(r"[\x21-\x7e]+")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, in lower case, without a default port.

    :raises ValueError: if it is not an http or https address.
    """
    parts = _split(url)
    host, port = parts.hostname or "", parts.port
    host = f"[{host}]" if ":" in host else host
    if port is None or port == _PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


def host_and_port_of(url: str) -> str:
    """Return host and port of an address, in lower case.

    :raises ValueError: if it is not an http or https address.
    """
    parts = _split(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS[parts.scheme]}"


def _split(url: str) -> SplitResult:
    if len(url) > _LONGEST or not _URL.fullmatch(url):
        raise ValueError("this is not an address")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0:
        raise ValueError("this is not an http or https address")
    return parts


def check_address(url: str, what: str, trusted: Collection[str]) -> None:
    """Check the address ``what``, which a server has sent.

    It must use https, unless its origin is in ``trusted``.

    :raises DiscoveryError: if it must not be used.
    """
    try:
        parts = _split(url)
        origin = origin_of(url)
    except ValueError:
        raise DiscoveryError(f"the {what} is not a valid address") from None
    if "@" in parts.netloc or parts.fragment:
        raise DiscoveryError(f"the {what} has a user, a password or a fragment")
    if parts.scheme != "https" and origin not in trusted:
        raise DiscoveryError(f"the {what} at {origin} does not use https")


def resource_of(url: str) -> str:
    """Return the address of a server as its resource identifier.

    :raises ValueError: if it is not an http or https address.
    """
    parts = _split(url)
    path = "" if parts.path == "/" else parts.path
    return f"{origin_of(url)}{path}" + (f"?{parts.query}" if parts.query else "")


def covers(resource: str, url: str) -> bool:
    """Return whether ``resource`` identifies the server at ``url``, or a path above it."""
    try:
        if origin_of(resource) != origin_of(url):
            return False
    except ValueError:
        return False
    parts, server = urlsplit(resource), urlsplit(url)
    path, of_server = parts.path.rstrip("/"), server.path.rstrip("/")
    if parts.query and (parts.query != server.query or path != of_server):
        return False
    return not parts.fragment and (path == of_server or of_server.startswith(f"{path}/"))


def protected_resource_addresses(url: str) -> tuple[str, ...]:
    """Return where the metadata of the server at ``url`` may be: for its path, then at the root."""
    parts, origin = urlsplit(url), origin_of(url)
    path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    root = f"{origin}{PROTECTED_RESOURCE}"
    return (f"{root}{path}", root) if path else (root,)


def authorization_server_addresses(issuer: str) -> tuple[str, ...]:
    """Return where the metadata of an authorization server may be, in the order to try."""
    path, origin = urlsplit(issuer).path.rstrip("/"), origin_of(issuer)
    if not path:
        return f"{origin}{AUTHORIZATION_SERVER}", f"{origin}{OPENID}"
    return (
        f"{origin}{AUTHORIZATION_SERVER}{path}",
        f"{origin}{OPENID}{path}",
        f"{origin}{path}{OPENID}",
    )
