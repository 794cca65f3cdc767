"""The host names under which the gateway is used, and the web pages that may use it.

A page on the Internet can make a browser send requests to a server on the same machine: directly
(``Origin``), or by pointing its own name at 127.0.0.1 (``Host``).  Both are refused.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from antigravity.config.settings import ProxySettings
from antigravity.ir.errors import InvalidRequestError, PermissionDeniedError
from antigravity.web.trusted_proxies import ForwardedClient

_OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_REMEMBERED: Final = 256
_HEADER_LIST: Final = re.compile(r"[A-Za-z0-9_\-]+(?:\s*,\s*[A-Za-z0-9_\-]+)*")
#: A name, or an IPv6 address, which may name the interface of this machine that leads to it.
_HOST: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9%._~-]{1,64})?\]|([^\s\[\]:/@?#]+))(?::[0-9]*)?"
)
_EXPOSED: Final = (
    "X-Request-Id, Request-Id, X-Upstream-Request-Id, X-Mapped-Model, X-Path-Corrected, "
    "X-Warmup-Intercepted, Retry-After, Mcp-Session-Id, X-Images-Failed, X-Antigravity-Warnings, "
    "X-Antigravity-Overhead-Ms, X-Antigravity-Demo, X-Background-Task, X-Context-Compressed, "
    "X-Token-Count-Source, X-Should-Retry"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Headers = tuple[tuple[str, str], ...]


def host_name(host: str) -> str:
    """Return the name in a ``Host`` header: lower case, no port, brackets or final dot.

    It is ``""`` if there is none.
    """
    match = _HOST.fullmatch(host.strip())
    if match is None:
        return ""
    return (match[1] or match[2]).lower().removesuffix(".")


def normal_origin(origin: str) -> str:
    """Return ``origin`` as browsers write it: lower case, no default port, no path."""
    text = origin.strip().lower()
    if text in ("*", "null"):
        return text
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text
    if not parts.scheme or not parts.hostname:
        return text
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{name}"
    return f"{parts.scheme}://{name}:{port}"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class HostPolicy:
    """The check of ``Host`` and ``Origin`` against one snapshot of the settings.

    ``hostname`` is this machine's own name, which counts when LAN access is on.
    Entries of ``allowed_hosts`` may begin with ``*.``; ``*`` stands for all, as it does in
    ``allowed_origins``.  Loopback origins are not allowed by default.
    """

    def __init__(self, proxy: ProxySettings, hostname: str = "") -> None:
        self._lan = proxy.allow_lan_access
        names = {host_name(entry) for entry in proxy.allowed_hosts if not entry.startswith("*")}
        self._names = _OWN_NAMES | (names - {""})
        if self._lan and hostname:
            # Not every name in .local: anyone on the network can point one to this machine.
            own = hostname.lower().removesuffix(".local")
            self._names |= {hostname.lower(), own, f"{own}.local"}
        self._any_host = "*" in proxy.allowed_hosts
        self._suffixes = tuple(
            entry[1:].lower() for entry in proxy.allowed_hosts if entry.startswith("*.")
        )
        self._origins = frozenset(normal_origin(entry) for entry in proxy.allowed_origins)
        self._public_url = proxy.public_url.rstrip("/")
        self._good_hosts: set[str] = set()

    def check_host(self, host: str | None) -> None:
        """Check a ``Host`` header, ``None`` if an HTTP/1.0 client sent none.

        :raises PermissionDeniedError: if it is not one of the gateway's names.
        :raises InvalidRequestError: if it is malformed.
        """
        if host is None or host in self._good_hosts:
            return
        name = host_name(host)
        if not name:
            raise InvalidRequestError("The Host header is missing or malformed.")
        if not self._is_own_name(name):
            raise PermissionDeniedError(
                f"The host name {name[:200]!r} is not allowed, so that web pages cannot reach the "
                "gateway under a name of their own. Use 127.0.0.1 or localhost, or add the name to "
                "allowed_hosts in the [proxy] table of the gateway's configuration."
            )
        if len(self._good_hosts) < _REMEMBERED:
            self._good_hosts.add(host)

    def _is_own_name(self, name: str) -> bool:
        if name in self._names or self._any_host or name.endswith(self._suffixes):
            return True
        return self._lan and _is_address(name)

    def base_url(self, host: str | None, forwarded: ForwardedClient | None, secure: bool) -> str:
        """Return the gateway's base URL: the configured one, or the one that the client used.

        The host name that a trusted proxy forwards counts if it is allowed.
        """
        if self._public_url:
            return self._public_url
        scheme = "https" if secure else "http"
        if forwarded is not None:
            scheme = forwarded.scheme or scheme
            name = host_name(forwarded.host) if forwarded.host else ""
            if name and self._is_own_name(name):
                host = forwarded.host
        return f"{scheme}://{host or 'localhost'}"

    def check_origin(self, origin: str | None) -> str:
        """Return the origin to name in CORS headers, ``""`` for a request without one.

        :raises PermissionDeniedError: if it is not allowed.
        """
        if origin is None:
            return ""
        if "*" in self._origins or normal_origin(origin) in self._origins:
            return origin
        raise PermissionDeniedError(
            f"Web pages of the origin {origin[:200]!r} may not use the gateway. To allow them, "
            "add it to allowed_origins in the [proxy] table of the gateway's configuration."
        )

    def check_own_origin(self, origin: str, host: str | None) -> None:
        """Check that a request to a page comes from one of the gateway's own pages.

        The scheme is not compared: a proxy in front may speak TLS.

        :raises PermissionDeniedError: if it comes from another origin, even an allowed one.
        """
        own = {normal_origin(f"{scheme}://{host}") for scheme in _DEFAULT_PORTS} if host else set()
        if self._public_url:
            own.add(normal_origin(self._public_url))
        if normal_origin(origin) not in own:
            raise PermissionDeniedError(
                f"Web pages of the origin {origin[:200]!r} may not use the dashboard. Open it "
                "under the address of the gateway."
            )


def cors_headers(origin: str) -> Headers:
    """Return the headers that let a page of an allowed ``origin`` read the response."""
    if not origin:
        return ()
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", _EXPOSED),
        ("Vary", "Origin"),
    )


def preflight_headers(requested: str, private_network: bool) -> Headers:
    """Return the headers of the response to a preflight, besides :func:`cors_headers`.

    :param requested: its ``Access-Control-Request-Headers``; all are allowed.
    """
    headers = [
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("Access-Control-Max-Age", "600"),
    ]
    if len(requested) <= 2000 and _HEADER_LIST.fullmatch(requested.strip()):
        headers.append(("Access-Control-Allow-Headers", requested.strip()))
    if private_network:
        headers.append(("Access-Control-Allow-Private-Network", "true"))
    return tuple(headers)
