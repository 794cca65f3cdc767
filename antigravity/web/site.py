"""The factory of connections, and the access log."""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Cooperator
from twisted.web import server

from antigravity.web.access_log import AccessLog
from antigravity.web.admission import AdmissionPolicy
from antigravity.web.connection.connection import ClientConnection
from antigravity.web.tunnel_access import TunnelAccess


class GatewaySite(server.Site):
    """A factory of connections to one application, which :meth:`serve` sets or replaces.

    :param tunnel: marks all requests as coming through the tunnel.
    :ivar successor: the site that new connections belong to, if there is one.
    """

    noisy = False

    access = AccessLog()

    admission: AdmissionPolicy

    def __init__(self, reactor: Any, tunnel: TunnelAccess | None = None) -> None:
        super().__init__(None, reactor=reactor, parsePOSTFormSubmission=False)
        #: Runs long work in slices: some milliseconds in a reactor turn for all requests together.
        self.cooperator = Cooperator(scheduler=lambda call: reactor.callLater(0, call))
        self.tunnel = tunnel
        self.successor: GatewaySite | None = None
        self.connections: set[ClientConnection] = set()
        #: Called with the number of open connections whenever it has changed.
        self.count: Callable[[int], None] | None = None
        #: What the connections over WebSocket remember, once there was one; it is theirs.
        self.socket_histories: Any = None
        self.is_closing = False
        #: Whether idle connections stay open for a while after the last port is closed.
        self.lingers = False
        self.make_connection: Callable[[GatewaySite], ClientConnection] = ClientConnection
        self._close_waiters: list[Deferred[None]] = []
        self._all_idle: Deferred[None] | None = None

    def serve(self, resource: Any, admission: AdmissionPolicy) -> None:
        """Serve new requests that ``admission`` admits with ``resource``."""
        self.resource = resource
        self.admission = admission

    def hand_over(self, successor: GatewaySite) -> None:
        """Leave the open ports, and all new connections, to another site."""
        self.successor = successor
        successor.startFactory()

    def buildProtocol(self, addr: Any) -> Any:
        """Return a :class:`ClientConnection`."""
        return self.make_connection(self.successor or self)

    def startFactory(self) -> None:
        """Accept connections, because the first port is open."""
        self.is_closing = False

    def stopFactory(self) -> None:
        """Close each connection after its current request, because the last port is closed."""
        if self.successor is not None:
            self.successor.stopFactory()
        self.is_closing = True
        if not self.lingers:
            self.close_idle()

    def close_idle(self) -> None:
        """Close the connections without a request, also without one that was not read yet."""
        for connection in list(self.connections):
            if not _has_unread(connection.transport):
                connection.close_if_idle()

    def wait_until_empty(self, seconds: float) -> Deferred[None]:
        """Return a Deferred that fires when there is no connection, or after ``seconds``."""
        done: Deferred[None] = Deferred()
        timer = self.reactor.callLater(
            seconds, lambda: None if done.called else done.callback(None)
        )
        self._close_waiters.append(done)
        self._notify_if_empty()
        return done.addBoth(lambda _: timer.cancel() if timer.active() else None)

    def finish_all(self, seconds: float) -> Deferred[None]:
        """Fail all requests whose response has not begun.

        Return a Deferred that fires when the other responses are complete, or after ``seconds``.
        """
        for connection in list(self.connections):
            connection.cancel_unstarted_response()
        idle: Deferred[None] = Deferred()
        self._all_idle = idle
        self.reactor.callLater(0, self.note_idle)  # last bytes are written in this turn
        timer = self.reactor.callLater(seconds, self._stop_waiting)
        return idle.addBoth(lambda _: timer.cancel() if timer.active() else None)

    def note_idle(self) -> None:
        """Finish closing if no request is running any more."""
        if self._all_idle is not None and not any(each.is_busy for each in self.connections):
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        idle, self._all_idle = self._all_idle, None
        if idle is not None:
            idle.callback(None)

    def close_all(self) -> Deferred[None]:
        """Close all connections, and abort the responses that are not complete.

        Return a Deferred that fires when all are closed.
        """
        self.is_closing = True
        for connection in list(self.connections):
            connection.close()
        done: Deferred[None] = Deferred()
        self._close_waiters.append(done)
        self._notify_if_empty()
        return done

    def add(self, connection: ClientConnection) -> None:
        """Remember a connection that was made."""
        self.connections.add(connection)
        if self.count is not None:
            self.count(len(self.connections))

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection that was lost."""
        self.connections.discard(connection)
        if self.count is not None:
            self.count(len(self.connections))
        self.note_idle()
        self._notify_if_empty()

    def _notify_if_empty(self) -> None:
        if not self.connections:
            waiting, self._close_waiters = self._close_waiters, []
            for done in waiting:
                if not done.called:
                    done.callback(None)

    def acceptableProtocols(self) -> list[bytes]:
        """Return the protocols that TLS clients can choose."""
        return [b"http/1.1"]

    def log(self, request: Any) -> None:
        """Log a request whose response is complete."""
        self._log(request, request.code)

    def log_abandoned(self, request: Any) -> None:
        """Log a request whose client left before the end of the response."""
        self._log(request, 499)

    def _log(self, request: Any, status: int) -> None:
        head = request.head
        if not head.quiet and (self.admission.limits.access_log or head.record is not None):
            seconds = self.reactor.seconds() - request.started_at
            self.access.write(head, status, request.sentLength, seconds)
        head.is_logged = True


def _has_unread(transport: Any) -> bool:
    """Return whether the client has sent something that was not read yet; with TLS, false."""
    if ISSLTransport.providedBy(transport):
        return False
    with suppress(AttributeError, OSError):
        return bool(transport.getHandle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    return False
