"""The gateway's own ids for the sessions of a remote server."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from twisted.internet.interfaces import IReactorTime


class RelayedSession:
    """A session of ``principal``, with the gateway's ``id`` and the server's ``remote_id``.

    ``streams`` counts its streamed responses in progress.
    """

    def __init__(self, principal: str, remote_id: str) -> None:
        self.id: Final = secrets.token_urlsafe(24)
        self.principal: Final = principal
        self.remote_id: Final = remote_id
        self.streams = 0
        self.last_used = 0.0


class RelayedSessions:
    """At most ``most`` sessions, each for ``ttl`` seconds without use.

    All clients share one key at the remote server, so only the session id separates them.  The
    gateway's ids cannot be guessed, and each is valid for one principal.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.ttl = 3600.0
        self.most = 1000
        self._clock = clock
        self._sessions: OrderedDict[str, RelayedSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, principal: str, remote_id: str) -> RelayedSession:
        """Return a new session."""
        self._expire()
        while len(self._sessions) >= self.most:
            idle = (one.id for one in self._sessions.values() if not one.streams)
            del self._sessions[next(idle, next(iter(self._sessions)))]
        session = RelayedSession(principal, remote_id)
        self._sessions[session.id] = session
        self._use(session)
        return session

    def find(self, id: str, principal: str) -> RelayedSession | None:  # noqa: A002
        """Return a session of ``principal`` and mark it as used, or ``None``."""
        self._expire()
        session = self._sessions.get(id)
        if session is None or not secrets.compare_digest(session.principal, principal):
            return None
        self._use(session)
        return session

    def close(self, session: RelayedSession) -> None:
        """Forget a session."""
        self._sessions.pop(session.id, None)

    def _use(self, session: RelayedSession) -> None:
        session.last_used = self._clock.seconds()
        self._sessions.move_to_end(session.id)

    def _expire(self) -> None:
        """Remove expired sessions; the least recently used come first."""
        before = self._clock.seconds() - self.ttl
        while self.ttl and self._sessions:
            oldest = next(iter(self._sessions.values()))
            if oldest.last_used > before:
                return
            if oldest.streams:
                self._use(oldest)
            else:
                del self._sessions[oldest.id]
