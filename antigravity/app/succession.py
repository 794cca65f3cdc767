"""The end of a demo: a gateway with the configured accounts takes its place without a gap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity.app.gateway import Gateway
from antigravity.app.running_parts import Predecessor
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.settings import Settings
from antigravity.logs import make_logger
from antigravity.services import Closing

#: Seconds that the last requests of a demo may take after its end.
DEMO_GRACE: Final = 5.0

#: Seconds until the demo stops, in which responses that are complete reach their clients.
LAST_RESPONSE: Final = 1.0


class CurrentGateway:
    """The gateway that serves: a demo at first, perhaps, and later its successor.

    :param services: those of the process, to which a successor is added.
    :param build: returns a gateway, not yet started, that takes the ports of a predecessor over.
    :param configured: whether accounts or upstreams are configured in the given settings.
    :ivar gateway: the gateway itself.
    """

    log = make_logger()

    gateway: Gateway

    def __init__(
        self,
        clock: IReactorTime,
        services: MultiService,
        build: Callable[[LoadedConfiguration, Predecessor], Gateway],
        configured: Callable[[Settings], bool],
    ) -> None:
        self._clock = clock
        self._services = services
        self._build = build
        self._configured = configured

    @property
    def requests(self) -> int:
        """The number of running requests."""
        return self.gateway.requests

    @property
    def is_translating(self) -> bool:
        """Whether a large request is being translated in a thread."""
        return self.gateway.is_translating

    @property
    def configuration(self) -> object:
        """The runtime in force, ``None`` before the start."""
        return self.gateway.configuration

    def reload(self, *, renews: bool = False) -> Any:
        """Read the configuration again; see :meth:`Gateway.reload`."""
        return self.gateway.reload(renews=renews)

    def end_demo(self, configuration: LoadedConfiguration) -> Deferred[None] | None:
        """Replace the demo if ``configuration`` has accounts or upstreams; else return ``None``.

        The Deferred fires when the successor serves, and fails if it cannot start; then the demo
        goes on.
        """
        if not self._configured(configuration.settings):
            return None
        done: Deferred[None] = self._replace(configuration)
        return done

    @inlineCallbacks
    def _replace(self, configuration: LoadedConfiguration) -> Any:
        demo = self.gateway
        successor = self._build(configuration, demo.predecessor())
        try:
            yield successor.startService()
        except Exception:
            yield maybeDeferred(successor.stopService)
            raise
        demo.retire(DEMO_GRACE)
        # Not at once: the request that caused this needs its response.
        ended = deferLater(self._clock, LAST_RESPONSE, self._services.removeService, demo)
        ended.addErrback(lambda failure: self.log.failure("the demo did not stop", failure))
        self.gateway = successor
        for stop in (lambda: ended, successor.stopService):  # the successor stops first
            Closing(stop).setServiceParent(self._services)  # type: ignore[no-untyped-call]
        self.log.warn("the DEMO has ended: the configured accounts serve from now on")
