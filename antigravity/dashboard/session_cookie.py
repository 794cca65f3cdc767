"""The cookie that holds the token of a session."""

from __future__ import annotations

from typing import Any, Final

from antigravity.dashboard.sessions import MAX_AGE
from antigravity.web.authentication import DASHBOARD_PATH
from antigravity.web.request import head_of

COOKIE: Final = "antigravity_dashboard"


def session_token(request: Any) -> str:
    """Return the token of the session that a request belongs to, ``""`` if it has none."""
    value: bytes | None = request.getCookie(COOKIE.encode())
    return "" if value is None else value.decode("latin-1")


def session_cookie(request: Any, token: str) -> tuple[tuple[str, str], ...]:
    """Return the header that sets the cookie, or removes it.

    Any proxy may say that the browser uses TLS: that only protects the cookie.
    """
    age = int(MAX_AGE) if token else 0
    head = head_of(request)
    secure = (
        request.isSecure()
        or head.header("x-forwarded-proto") == "https"
        or (head.forwarded is not None and head.forwarded.scheme == "https")
    )
    value = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path={DASHBOARD_PATH}; Max-Age={age}"
    return (("Set-Cookie", f"{value}; Secure" if secure else value),)
