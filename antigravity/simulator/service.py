"""Build a simulator to embed, in the gateway's demo or in tests."""

from __future__ import annotations

from collections import deque

from twisted.web.resource import IResource

from antigravity.simulator.server import SimulatorApp
from antigravity.simulator.state import LoggedRequest, State, Stats
from antigravity.simulator.stream import Clock

#: Default lifetime of an access token in seconds.
TOKEN_LIFETIME = 3599.0


class Simulator:
    """A simulator without a port; serve :meth:`resource` anywhere.

    :attr:`log` and :attr:`stats` report what happened.
    """

    def __init__(self, app: SimulatorApp) -> None:
        self._app = app

    def resource(self) -> IResource:
        """Return the resource to serve at the root."""
        return self._app.resource()

    def stop(self) -> None:
        """Stop all responses in progress and cancel their timers."""
        self._app.responder.stop()
        for socket in list(self._app.state.sockets):
            socket.abort()

    def skip_delays(self) -> None:
        """End the delays of all responses in progress."""
        self._app.responder.skip_delays()

    @property
    def log(self) -> deque[LoggedRequest]:
        """The last requests, oldest first."""
        return self._app.state.log

    @property
    def stats(self) -> Stats:
        """The counters."""
        return self._app.state.stats

    @property
    def state(self) -> State:
        """The state: accounts, tokens, sessions."""
        return self._app.state


def build_simulator(
    reactor: Clock, token_lifetime: float = TOKEN_LIFETIME, raw_schemas: bool = False
) -> Simulator:
    """Return a simulator.

    :param reactor: an ``IReactorTime``; tests can pass a ``task.Clock``.
    :param token_lifetime: seconds until an OAuth access token expires.
    :param raw_schemas: whether ``v1internal`` accepts raw JSON Schemas.
    """
    state = State(reactor.seconds, token_lifetime)
    return Simulator(SimulatorApp(state, reactor, raw_schemas))
