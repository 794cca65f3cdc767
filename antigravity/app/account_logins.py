"""Logins in a browser that the gateway waits for, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from antigravity.config.network import is_loopback
from antigravity.interfaces.account_control import LoginRequest
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.oauth.authorization_code import AuthorizationRequest, code_in
from antigravity.oauth.errors import LoginError
from antigravity.upstreams.codeassist.consent import start_login
from antigravity.upstreams.codeassist.login_target import LoginTarget

#: The most logins at a time; the oldest one ends first.
MAX_LOGINS: Final = 16
#: Seconds until a login ends.
LOGIN_AGE: Final = 600.0


class PendingLogin(Struct, frozen=True):
    """A login that waits for its user."""

    id: str
    target: LoginTarget
    label: str
    consent: AuthorizationRequest
    started: float


class PendingLogins:
    """All logins.  ``now`` returns seconds of any monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._logins: OrderedDict[str, PendingLogin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._logins)

    def start(self, target: LoginTarget, wanted: LoginRequest) -> PendingLogin:
        """Begin a login.

        :raises InvalidRequestError: if the browser would not return to a loopback address.
        """
        _check_redirect(wanted.redirect_uri)
        consent = start_login(target.oauth, wanted.redirect_uri)
        login = PendingLogin(token_urlsafe(12), target, wanted.label, consent, self._now())
        self._logins[login.id] = login
        while len(self._logins) > MAX_LOGINS:
            self._logins.popitem(last=False)
        return login

    def find(self, identifier: str) -> PendingLogin:
        """Return a login that has not ended.

        :raises NotFoundError: if it has, or does not exist.
        """
        self._end_old()
        found = self._logins.get(identifier)
        if found is None:
            raise NotFoundError("This login has ended.  Begin another one.", code="login_ended")
        return found

    def find_by_redirect(self, query: str) -> PendingLogin:
        """Return the login that the query of a redirect belongs to.

        :raises NotFoundError: if there is none.
        """
        self._end_old()
        for login in self._logins.values():
            try:
                code_in(query, login.consent)
            except LoginError as error:
                if not error.final:
                    continue
            return login
        raise NotFoundError("This does not belong to a login that waits.", code="login_ended")

    def end(self, login: PendingLogin) -> None:
        """Forget a login."""
        self._logins.pop(login.id, None)

    def _end_old(self) -> None:
        for login in tuple(self._logins.values()):
            if self._now() - login.started > LOGIN_AGE:
                self.end(login)


def _check_redirect(uri: str) -> None:
    """Check that a redirect leads to this machine: providers accept no other one for programs."""
    try:
        parts = urlsplit(uri)
        is_valid = parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InvalidRequestError(
            "redirect_uri must be an address of the loopback, such as http://127.0.0.1:8045/.",
            param="redirect_uri",
        )
