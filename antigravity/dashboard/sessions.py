"""Sessions of the dashboard and links that begin one, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Final

from msgspec import Struct

#: The most sessions, and links, at a time; the oldest ones end first.
MAX_SESSIONS: Final = 64
MAX_LINKS: Final = 16
#: Seconds until a session ends, and until it ends without a request.
MAX_AGE: Final = 12 * 3600.0
MAX_IDLE: Final = 2 * 3600.0
#: Seconds in which a link can be used.
LINK_AGE: Final = 60.0


class Notice(Struct, frozen=True):
    """The result of a change; ``is_problem`` says that not all of it was possible."""

    text: str
    is_problem: bool = False


class Session(Struct):
    """A browser that has signed in.

    ``csrf`` is the token that its changes carry.  ``principal`` is the opaque name of the admin
    key with which it signed in: it ends when that key changes.  ``notice`` is the result of the
    last change, for the next page.
    """

    principal: str
    csrf: str
    started: float
    used: float
    notice: Notice | None = None

    def take_notice(self) -> Notice | None:
        """Return the result of the last change once."""
        notice, self.notice = self.notice, None
        return notice

    def permits(self, csrf: str) -> bool:
        """Return whether ``csrf`` is this session's token."""
        return compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """All sessions.  ``now`` returns seconds of any monotonic clock.

    Only hashes of the tokens are in memory, so that looking one up takes the same time for all.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._links: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def start(self, principal: str) -> str:
        """Start a session, and return its token."""
        token, now = token_urlsafe(32), self._now()
        self._sessions[_hash(token)] = Session(principal, token_urlsafe(24), now, now)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def find(self, token: str, principal: str) -> Session | None:
        """Return the session with ``token``, if it has not ended.

        :param principal: the name of the current admin key, ``""`` if there is none.
        """
        session = self._sessions.get(_hash(token)) if token else None
        if session is None:
            return None
        if session.principal != principal or not self._is_open(session):
            self.end(token)
            return None
        session.used = self._now()
        return session

    def has(self, token: str) -> bool:
        """Return whether a session is open; unlike :meth:`find` this does not count as its use."""
        session = self._sessions.get(_hash(token))
        return session is not None and self._is_open(session)

    def _is_open(self, session: Session) -> bool:
        now = self._now()
        return now - session.started <= MAX_AGE and now - session.used <= MAX_IDLE

    def end(self, token: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_hash(token), None)

    def end_others(self, principal: str) -> None:
        """End the sessions and links of other admin keys than the one with this ``principal``."""
        for token, session in tuple(self._sessions.items()):
            if session.principal != principal:
                del self._sessions[token]
        for token, (owner, _) in tuple(self._links.items()):
            if owner != principal:
                del self._links[token]

    def make_link(self, principal: str) -> str:
        """Return a token that starts one session of ``principal``."""
        token = token_urlsafe(32)
        self._links[_hash(token)] = principal, self._now()
        while len(self._links) > MAX_LINKS:
            self._links.popitem(last=False)
        return token

    def use_link(self, token: str, principal: str) -> str | None:
        """Start a session with the token of a link, and return the session's token.

        Return ``None`` if the link is unknown, used, or too old, or the admin key has changed.
        """
        owner, made = self._links.pop(_hash(token), ("", 0.0))
        if not owner or owner != principal or self._now() - made > LINK_AGE:
            return None
        return self.start(owner)


def _hash(token: str) -> bytes:
    return blake2b(token.encode("utf-8", "replace"), digest_size=16, person=b"dashboard").digest()
