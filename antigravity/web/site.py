"""The factory of connections, and the access log."""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
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
        #: What the connections over WebSocket remember, once there was one; it is theirs.
        self.socket_histories: Any = None
        self.is_closing = False
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
        return ClientConnection(self.successor or self)

    def startFactory(self) -> None:
        """Accept connections, because the first port is open."""
        self.is_closing = False

    def stopFactory(self) -> None:
        """Close each connection after its current request, because the last port is closed."""
        if self.successor is not None:
            self.successor.stopFactory()
        self.is_closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

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

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection that was lost."""
        self.connections.discard(connection)
        self.note_idle()
        self._notify_if_empty()

    def _notify_if_empty(self) -> None:
        if not self.connections:
            waiting, self._close_waiters = self._close_waiters, []
            for done in waiting:
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
