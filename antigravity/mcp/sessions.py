"""Sessions of the stateful revisions, with their streams and subscriptions."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.interfaces.mcp_values import Json
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.event_log import EventLog
from antigravity.mcp.protocol.messages import RequestId, Response
from antigravity.mcp.protocol.revisions import Revision
from antigravity.mcp.running_calls import RunningCall

#: The stream that belongs to no request.
STANDALONE: Final = "0"


class Session:
    """One client's session, bound to the ``principal`` that opened it.

    Nothing here is shared between sessions.
    """

    def __init__(
        self, principal: str, revision: Revision, client: Json, capabilities: Json
    ) -> None:
        self.id: Final = secrets.token_urlsafe(24)
        self.principal: Final = principal
        self.revision: Final = revision
        self.client: Final = client
        self.capabilities: Final = capabilities
        self.level = "info"
        self.is_ready = False
        self.subscriptions: set[str] = set()
        self.calls: dict[RequestId, RunningCall] = {}
        self.streams: dict[str, EventLog] = {STANDALONE: EventLog(STANDALONE)}
        self.last_used = 0.0
        self._pending: dict[RequestId, Callable[[Response], None]] = {}
        self._numbers = {"stream": 0, "request": 0}

    @property
    def standalone(self) -> EventLog:
        """The stream that belongs to no request."""
        return self.streams[STANDALONE]

    @property
    def is_busy(self) -> bool:
        """Whether a call is running, or the client has the stream open."""
        return bool(self.calls) or any(
            log.reader is not None and not log.ended for log in self.streams.values()
        )

    def new_log(self) -> EventLog:
        """Return a log for one POST, from which the client can resume."""
        name = self._number("stream")
        log = self.streams[name] = EventLog(name)
        return log

    def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification on the stream that belongs to no request."""
        data = messages.notification(method, params)
        if not self.standalone.is_waiting(data):
            self.standalone.append(data, expendable=True)

    def expect(self, on_response: Callable[[Response], None]) -> RequestId:
        """Return an id for a request to the client; ``on_response`` is called with the response."""
        id_ = f"gateway-{self._number('request')}"
        self._pending[id_] = on_response
        return id_

    def forget(self, id: RequestId) -> bool:  # noqa: A002
        """Stop waiting for a response; return whether it was still pending."""
        return self._pending.pop(id, None) is not None

    def receive_response(self, response: Response) -> None:
        """Handle a response; one without a pending request is ignored."""
        on_response = self._pending.pop(response.id, None)
        if on_response is not None:
            on_response(response)

    def _number(self, what: str) -> str:
        self._numbers[what] += 1
        return str(self._numbers[what])


class FinishedStreams:
    """Ended streams, stored for a while so that disconnected clients can resume them.

    At most ``most`` streams and ``limit`` bytes over all sessions; the oldest are dropped first.
    """

    def __init__(self, most: int = 2000, limit: int = 64 * 1024 * 1024) -> None:
        self._most = most
        self._limit = limit
        self._size = 0
        self._streams: OrderedDict[tuple[str, str], tuple[Session, EventLog]] = OrderedDict()

    def add(self, session: Session, log: EventLog) -> None:
        """Store an ended stream."""
        self._streams[session.id, log.name] = session, log
        self._size += log.size
        while self._streams and (len(self._streams) > self._most or self._size > self._limit):
            _, (owner, oldest) = self._streams.popitem(last=False)
            self._size -= oldest.size
            owner.streams.pop(oldest.name, None)

    def remove_all(self, session: Session) -> None:
        """Remove all streams of a session."""
        for name in session.streams:
            entry = self._streams.pop((session.id, name), None)
            if entry is not None:
                self._size -= entry[1].size


class SessionTable:
    """All sessions of an endpoint: at most ``most``, each for ``ttl`` seconds without use.

    ``ended`` is called with each session that expires or is removed.
    """

    def __init__(self, clock: IReactorTime, ended: Callable[[Session], None]) -> None:
        self.ttl = 3600.0
        self.most = 1000
        self._clock = clock
        self._ended = ended
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> tuple[Session, ...]:
        """Return every session."""
        return tuple(self._sessions.values())

    def add(self, session: Session) -> bool:
        """Add a session; return ``False`` if too many sessions are in use."""
        while len(self._sessions) >= self.most:
            idle = next((one for one in self._sessions.values() if not one.is_busy), None)
            if idle is None:
                return False
            self._end(idle)
        self._sessions[session.id] = session
        self._use(session)
        self._start_timer()
        return True

    def find(self, id: str, principal: str) -> Session | None:  # noqa: A002
        """Return a session of ``principal`` and mark it as used, or ``None``."""
        session = self._sessions.get(id)
        if session is None or not secrets.compare_digest(session.principal, principal):
            return None
        self._use(session)
        return session

    def remove(self, session: Session) -> None:
        """End a session."""
        if session.id in self._sessions:
            self._end(session)

    def stop(self) -> None:
        """End all sessions."""
        for session in self.all():
            self._end(session)
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _use(self, session: Session) -> None:
        session.last_used = self._clock.seconds()
        self._sessions.move_to_end(session.id)

    def _end(self, session: Session) -> None:
        del self._sessions[session.id]
        self._ended(session)

    def _start_timer(self) -> None:
        if self._timer is None and self._sessions and self.ttl:
            self._timer = self._clock.callLater(max(1.0, self.ttl / 10), self._remove_expired)

    def _remove_expired(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for session in self.all():
            if session.is_busy:
                session.last_used = now
            elif self.ttl and session.last_used + self.ttl <= now:
                self._end(session)
        self._start_timer()
