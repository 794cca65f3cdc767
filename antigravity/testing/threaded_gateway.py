"""Gateways for tests that block: the reactor runs in a thread of its own."""

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
    """The methods of :class:`GatewayUnderTest`, which wait; made by :func:`run_gateway`."""

    def __init__(self, reactor: Any, gateway: GatewayUnderTest) -> None:
        self._reactor = reactor
        self.gateway = gateway

    @property
    def url(self) -> str:
        """Where it is, without a path; official SDKs can be pointed at it."""
        return self.gateway.url

    @property
    def simulator_url(self) -> str:
        """Where the simulator is, without a path."""
        return self.gateway.simulator_url

    @property
    def simulator(self) -> Any:
        """The simulator, whose ``log`` holds the requests that it got."""
        return self.gateway.simulator

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> GatewayResponse:
        """Ask with ``GET``."""
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> GatewayResponse:
        """Ask with ``POST``; ``body`` is bytes, or something to send as JSON."""
        return self.request("POST", path, body, headers)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> GatewayResponse:
        """Ask the gateway, and return the whole answer."""
        answer: GatewayResponse = self._wait(self.gateway.request(method, path, body, headers))
        return answer

    def mcp(self, method: str, params: Mapping[str, Any] | None = None, path: str = "/mcp") -> Any:
        """Return the result of one MCP request: ``mcp("tools/call", {"name": …})``.

        :raises AssertionError: if the answer is an error.
        """
        return self._wait(self.gateway.mcp(method, params, path))

    def reload(self, config: str) -> None:
        """Go on with another configuration, as if the file had been edited.

        :raises ConfigurationError: if it cannot be used; then nothing changes.
        """
        self._wait(self.gateway.reload(config))

    def stop(self) -> None:
        """Stop everything."""
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
    """Run a gateway while the block lasts; the parameters are those of ``start_gateway``.

    :raises ConfigurationError: if ``config`` cannot be used.
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
