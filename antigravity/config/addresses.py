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
