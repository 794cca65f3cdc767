"""Gateways for blocking tests: the reactor runs in a thread of its own."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from antigravity.testing.gateway import GatewayUnderTest, start_gateway
from antigravity.testing.responses import GatewayResponse

_LOCK: Final = threading.Lock()


def _running_reactor() -> Any:
    """Return the reactor, which runs in a thread until the process ends.

    It can be started only once, so all gateways of a process share it.
    """
    from twisted.internet import reactor as the_reactor

    reactor: Any = the_reactor
    with _LOCK:
        if not reactor.running:
            started = threading.Event()
            reactor.callWhenRunning(started.set)
            thread = threading.Thread(
                target=reactor.run,
                kwargs={"installSignalHandlers": False},
                name="antigravity.testing",
                daemon=True,
            )
            thread.start()
            started.wait()
    return reactor


class ThreadedGateway:
    """The methods of :class:`GatewayUnderTest`, blocking; created by :func:`run_gateway`."""

    def __init__(self, reactor: Any, gateway: GatewayUnderTest) -> None:
        self._reactor = reactor
        self.gateway = gateway

    @property
    def url(self) -> str:
        """The base URL; official SDKs can use it."""
        return self.gateway.url

    @property
    def simulator_url(self) -> str:
        """The base URL of the simulator."""
        return self.gateway.simulator_url

    @property
    def simulator(self) -> Any:
        """The simulator; its ``log`` contains the requests that it received."""
        return self.gateway.simulator

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> GatewayResponse:
        """Send a ``GET`` request."""
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> GatewayResponse:
        """Send a ``POST`` request; ``body`` is bytes, or a value to send as JSON."""
        return self.request("POST", path, body, headers)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> GatewayResponse:
        """Send a request to the gateway, and return the response."""
        response: GatewayResponse = self._wait(self.gateway.request(method, path, body, headers))
        return response

    def mcp(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        path: str = "/mcp",
        capabilities: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of one MCP request: ``mcp("tools/call", {"name": …})``.

        ``capabilities`` are declared by the client, none by default.

        :raises AssertionError: if the response is an error.
        """
        return self._wait(self.gateway.mcp(method, params, path, capabilities))

    def reload(self, config: str) -> None:
        """Reload with another configuration, like after an edit of the file.

        :raises ConfigurationError: if the configuration is invalid; then nothing changes.
        """
        self._wait(self.gateway.reload(config))

    def stop(self) -> None:
        """Stop the gateway and the simulator."""
        self._wait(self.gateway.stop())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return _wait(self._reactor, work)


def _wait(reactor: Any, work: Coroutine[Any, Any, Any]) -> Any:
    return blockingCallFromThread(reactor, Deferred.fromCoroutine, work)


@contextmanager
def run_gateway(
    *,
    plugins: Sequence[tuple[str, object]] = (),
    config: str = "",
    installed: bool = False,
    simulated: bool = True,
) -> Iterator[ThreadedGateway]:
    """Run a gateway in a ``with`` block; the parameters are those of ``start_gateway``.

    :raises ConfigurationError: if ``config`` is invalid.
    """
    reactor = _running_reactor()
    with tempfile.TemporaryDirectory(prefix="antigravity-") as folder:
        started = start_gateway(
            reactor,
            Path(folder),
            plugins=plugins,
            config=config,
            installed=installed,
            simulated=simulated,
        )
        gateway = ThreadedGateway(reactor, _wait(reactor, started))
        try:
            yield gateway
        finally:
            gateway.stop()
