"""Replies of the dashboard, with the headers that protect its pages."""

from __future__ import annotations

from typing import Any, Final

from antigravity.interfaces.exchange import Reply
from antigravity.web.responses import is_closed, write_whole

Headers = tuple[tuple[str, str], ...]

#: Only files of the gateway's own run or apply; nothing may be embedded in another page.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PROTECTION: Final[Headers] = (
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    # Browsers send the origin of a form only if the policy lets them send a referrer.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def html(text: str, status: int = 200, headers: Headers = ()) -> Reply:
    """Return a page, or a part of one."""
    body = text.encode("utf-8", "replace")
    return Reply(status, "text/html; charset=utf-8", (*_PROTECTION, *headers), body)


def redirect(address: str, headers: Headers = ()) -> Reply:
    """Return a redirect to a page of the dashboard, which is fetched with GET."""
    return Reply(303, "text/plain", (*_PROTECTION, ("Location", address), *headers), b"")


def static(content: bytes, kind: str) -> Reply:
    """Return a file whose address changes with its content."""
    caching = ("Cache-Control", "public, max-age=31536000, immutable")
    headers = (caching, ("Cross-Origin-Resource-Policy", "same-origin"))
    return Reply(200, kind, headers, content)


def write(reply: Reply, request: Any) -> None:
    """Write a whole reply, unless the browser is gone."""
    if not is_closed(request):
        write_whole(request, reply)
