"""``twistd antigravity-simulator``: the simulator alone, on ports of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService, MultiService
from twisted.internet.endpoints import serverFromString
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.web.server import Site

from antigravity.simulator.service import TOKEN_LIFETIME, Simulator, build_simulator
from antigravity.simulator.stream import Clock


class Options(UsageOptions):
    """The command line."""

    synopsis = "[--port N] [--listen ENDPOINT]... [--token-lifetime SECONDS] [--raw-schemas]"
    longdesc = "A scripted model that speaks every upstream protocol; see antigravity.simulator."
    optParameters: ClassVar[list[list[Any]]] = [
        ["port", "p", 9045, "Port on 127.0.0.1, if there is no --listen.", int],
        ["token-lifetime", None, TOKEN_LIFETIME, "Seconds an access token is good for.", float],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["raw-schemas", None, "Let v1internal take raw JSON Schemas."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """Listen on this endpoint (a Twisted endpoint string); may be repeated."""
        self["listen"].append(endpoint)

    def postOptions(self) -> None:
        """Refuse a port that is none."""
        if not 0 <= self["port"] <= 65535:
            raise UsageError("--port must lie between 0 and 65535")


class SimulatorService(MultiService):
    """Listens, and when it stops breaks off what is under way."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.simulator = simulator

    def stopService(self) -> Any:
        """Stop listening, then stop answering."""
        stopped = super().stopService()  # type: ignore[no-untyped-call]
        self.simulator.stop()
        return stopped


def make_service(reactor: Any, options: Options) -> SimulatorService:
    """Return the service for these options on this reactor."""
    clock: Clock = reactor
    simulator = build_simulator(clock, options["token-lifetime"], bool(options["raw-schemas"]))
    service = SimulatorService(simulator)
    # Forms are for the simulator to take apart: Twisted takes seconds for recordings.
    site = Site(simulator.resource(), parsePOSTFormSubmission=False)
    for endpoint in options["listen"] or [f"tcp:{options['port']}:interface=127.0.0.1"]:
        listener = StreamServerEndpointService(serverFromString(reactor, endpoint), site)
        listener.setServiceParent(service)
    return service


def makeService(options: Options) -> IService:
    """Return the service that ``twistd`` runs."""
    from twisted.internet import reactor

    service: IService = make_service(reactor, options)
    return service
