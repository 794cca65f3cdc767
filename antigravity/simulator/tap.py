"""``twistd antigravity-simulator``: the simulator as a service of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService, Service
from twisted.internet.defer import DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.web.server import Site

from antigravity.daemon.exit_code import ExitCode
from antigravity.simulator.prompt_rules import parse_rules
from antigravity.simulator.service import TOKEN_LIFETIME, Simulator, build_simulator
from antigravity.simulator.stream import Clock


class Options(UsageOptions):
    """The command line."""

    synopsis = (
        "[--port N] [--listen ENDPOINT]... [--token-lifetime SECONDS] [--raw-schemas] "
        "[--rules FILE]"
    )
    longdesc = "A simulated upstream for every protocol; see antigravity.simulator."
    optParameters: ClassVar[list[list[Any]]] = [
        ["port", "p", 9045, "Port on 127.0.0.1, if there is no --listen.", int],
        ["token-lifetime", None, TOKEN_LIFETIME, "Seconds until an access token expires.", float],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["raw-schemas", None, "Let v1internal accept raw JSON Schemas."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["rules"] = ()

    def opt_listen(self, endpoint: str) -> None:
        """Listen on this endpoint (a Twisted endpoint string); can be repeated."""
        self["listen"].append(endpoint)

    def opt_rules(self, path: str) -> None:
        """Read directives for prompts from this TOML file."""
        try:
            self["rules"] += parse_rules(Path(path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--rules {path}: {error}") from error

    def postOptions(self) -> None:
        """Check the port."""
        if not 0 <= self["port"] <= 65535:
            raise UsageError("--port must lie between 0 and 65535")


class SimulatorService(Service):
    """Listens; stops all responses in progress when it stops.

    ``failed`` is called if an endpoint cannot listen.
    """

    log = Logger()

    def __init__(
        self,
        simulator: Simulator,
        endpoints: Sequence[Any],
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        self.simulator = simulator
        self._endpoints = endpoints
        self._failed = failed
        self._ports: list[Any] = []

    @inlineCallbacks
    def startService(self) -> Any:
        """Return a Deferred that fires when it listens, or failed to."""
        super().startService()  # type: ignore[no-untyped-call]
        # The simulator parses forms itself: Twisted needs seconds for recordings.
        site = Site(self.simulator.resource(), parsePOSTFormSubmission=False)
        try:
            for endpoint in self._endpoints:
                port = yield endpoint.listen(site)
                self._ports.append(port)
                self.log.info("the simulator is listening on {address}", address=_readable(port))
        except Exception as error:  # noqa: BLE001 - any error means that there is no service
            self.log.error("cannot start: {error}", error=str(error))
            self._failed()
        if not self.running:
            yield self._close()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Stop listening, then stop all responses."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._close()
        self.simulator.stop()

    def _close(self) -> Any:
        ports, self._ports = self._ports, []
        return DeferredList([maybeDeferred(port.stopListening) for port in ports])


def _readable(port: Any) -> str:
    """Return where a port is open: an address for clients if it is on TCP."""
    address = port.getHost()
    host, number = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(address)
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"


def make_service(
    reactor: Any, options: Options, failed: Callable[[], object] = lambda: None
) -> SimulatorService:
    """Return the service for these options on this reactor."""
    clock: Clock = reactor
    simulator = build_simulator(clock, options["token-lifetime"], bool(options["raw-schemas"]))
    simulator.state.rules = options["rules"]
    where = options["listen"] or [f"tcp:{options['port']}:interface=127.0.0.1"]
    endpoints = [serverFromString(reactor, endpoint) for endpoint in where]
    return SimulatorService(simulator, endpoints, failed)


def makeService(options: Options) -> IService:
    """Return the service that ``twistd`` runs; if it cannot listen, the exit code is 1."""
    from twisted.internet import reactor

    loop: Any = reactor
    exit_code = ExitCode()

    def failed() -> None:
        exit_code.fail()
        loop.callLater(0, _stop, loop)

    service: IService = make_service(loop, options, failed)
    return service


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()
