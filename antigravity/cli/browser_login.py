"""The part of a login that the user does in a browser, on this machine or on another one."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import click

from antigravity.cli.invocation import note
from antigravity.cli.login_callback import LoginCallback
from antigravity.oauth.authorization_code import (
    CALLBACK_PATH,
    AuthorizationRequest,
    code_in,
    code_in_text,
)
from antigravity.oauth.errors import LoginError

#: Seconds to wait for a redirect that the browser has already reached.
_REDIRECT_DELAY: Final = 1.0


def has_browser(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether the user of this terminal can see a browser of this machine."""
    if environ.get("BROWSER"):
        return True
    if platform in ("darwin", "win32"):
        return not environ.get("SSH_CONNECTION")
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def log_in(
    build: Callable[[str], AuthorizationRequest],
    *,
    port: int,
    timeout: float,
    no_browser: bool,
    path: str = CALLBACK_PATH,
    host: str = "",
    preferred_port: int = 0,
) -> tuple[AuthorizationRequest, str]:
    """Return a login and its code, from the redirect or pasted.

    ``build`` gets the redirect URI.  ``host`` is the name of this machine in it, by default its
    loopback address.  Without a ``port``, ``preferred_port`` is used if it is free.

    :raises LoginError: if there is none in time, or the user refused.
    """
    built: list[AuthorizationRequest] = []

    def check(query: str) -> str:
        return _check_redirect(query, built)

    try:
        callback = LoginCallback(path, check, _ForeignRedirectError, port or preferred_port)
    except OSError:
        if port or not preferred_port:
            raise
        callback = LoginCallback(path, check, _ForeignRedirectError)
    with callback:
        address = f"http://{host}:{callback.port}{path}" if host else callback.address
        request = build(address)
        built.append(request)
        if not no_browser and has_browser(os.environ) and webbrowser.open(request.url):
            note(f"Log in with your browser. If it does not open, go to:\n\n{request.url}\n")
            answer = callback.wait(timeout)
            if answer is None:
                raise LoginError(f"no login within {timeout:g} seconds")
            return request, code_in(answer, request)
        pasted = _read_pasted_query(request)
        answer = None if pasted else callback.wait(_REDIRECT_DELAY)
    return request, code_in(answer, request) if answer else code_in_text(pasted, request)


def _read_pasted_query(request: AuthorizationRequest) -> str:
    """Return the pasted address; empty if the browser was redirected to this machine."""
    note(
        f"Open this address in a browser, on any machine:\n\n{request.url}\n\n"
        "After the login the browser ends at an address that it cannot reach, beginning with "
        f"{request.redirect_uri}. Copy that address from the browser. If it shows instead that you "
        "have logged in, press Enter."
    )
    return str(click.prompt("Paste it here", default="", show_default=False, err=True)).strip()


class _ForeignRedirectError(Exception):
    """A redirect does not belong to this login."""


def _check_redirect(query: str, built: Sequence[AuthorizationRequest]) -> str:
    """Return ``query`` if it belongs to the login in ``built``, even if the user has refused.

    :raises _ForeignRedirectError: if it does not, or there is no login yet.
    """
    try:
        for request in built:
            code_in(query, request)
    except LoginError as error:
        if not error.final:
            raise _ForeignRedirectError from None
    if not built:
        raise _ForeignRedirectError
    return query
