"""The simulator that serves a demo, on a port of its own."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.web.server import Site

from antigravity.logs import make_logger


class _QuietSite(Site):
    """Logs nothing: the gateway has a line for each request already."""

    noisy = False

    def log(self, request: Any) -> None:
        """Log nothing."""


class DemoSimulator:
    """Runs from :meth:`start` to :meth:`stop`, on a free port of loopback.

    :ivar address: its base URL, once it runs.
    :ivar simulator: the simulator itself, with its log and counters.
    """

    log = make_logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._port: IListeningPort | None = None
        self.simulator: Any = None
        self.address = ""

    @inlineCallbacks
    def start(self) -> Any:
        """Return a Deferred that fires when it can be asked."""
        # Most gateways show no demo: the simulator is a tenth of all that there is to import.
        from antigravity.simulator.service import build_simulator

        self.simulator = build_simulator(self._reactor)
        # Forms are for the simulator to take apart: Twisted takes seconds for recordings.
        site = _QuietSite(  # type: ignore[no-untyped-call]
            self.simulator.resource(), parsePOSTFormSubmission=False
        )
        endpoint = TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1")
        self._port = port = yield endpoint.listen(site)
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        self.log.warn("DEMO: every model is simulated, by the simulator at {a}", a=self.address)

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when nothing of it is left."""
        if self._port is not None:
            yield maybeDeferred(self._port.stopListening)
        if self.simulator is not None:
            self.simulator.stop()
