"""Build a simulator that others can embed: the gateway's demo, and tests."""

from __future__ import annotations

from collections import deque

from twisted.web.resource import IResource

from antigravity.simulator.server import SimulatorApp
from antigravity.simulator.state import LoggedRequest, State, Stats
from antigravity.simulator.stream import Clock

#: How long an access token is good for, unless told otherwise.
TOKEN_LIFETIME = 3599.0


class Simulator:
    """A simulator without a port: serve :meth:`resource` where you like.

    What happened can be read from :attr:`log` and :attr:`stats`.
    """

    def __init__(self, app: SimulatorApp) -> None:
        self._app = app

    def resource(self) -> IResource:
        """Return the resource to serve at the root."""
        return self._app.resource()

    def stop(self) -> None:
        """Break off all answers that are under way; no timer is left behind."""
        self._app.exchange.stop()

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
        """All that is remembered."""
        return self._app.state


def build_simulator(
    reactor: Clock, token_lifetime: float = TOKEN_LIFETIME, raw_schemas: bool = False
) -> Simulator:
    """Return a simulator.

    :param reactor: an ``IReactorTime``; tests may pass a ``task.Clock``.
    :param token_lifetime: seconds that an OAuth access token is good for.
    :param raw_schemas: whether ``v1internal`` takes raw JSON Schemas.
    """
    state = State(reactor.seconds, token_lifetime)
    return Simulator(SimulatorApp(state, reactor, raw_schemas))
