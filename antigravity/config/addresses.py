"""Check the addresses of servers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from antigravity.config.errors import Problem


def address_problem(address: str, *, may_have_user: bool = False) -> Problem | None:
    """Return the problem with the address of a server, or ``None``."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        good = good and (parts.port is None or parts.port > 0) and not re.search(r"\s", address)
    except ValueError:
        good = False
    if not good:
        return Problem("this is not an http or https address", allowed=("http://… or https://…",))
    if not may_have_user and "@" in parts.netloc:
        return Problem("an address must not contain a user or a password; use api_key")
    return None


def is_ambiguous(url: str) -> bool:
    """Return whether the password of an address may have a ``/`` or ``@``.

    It would be taken for a part of the host, the path or the parameters, which are not secret.
    """
    authority, _, rest = url.partition("://")[2].partition("/")
    path, _, query = rest.partition("?")
    return (
        authority.count("@") > 1
        or "@" in path
        or any("@" in pair and "=" not in pair for pair in query.split("&"))
    )
