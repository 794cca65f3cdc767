"""The port on 127.0.0.1 to which cloudflared forwards requests."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort


class TunnelPort:
    """The port, which can be opened and closed; ``site`` serves its requests."""

    def __init__(self, reactor: Any, site: Any) -> None:
        self._reactor = reactor
        self._site = site
        self._port: IListeningPort | None = None

    def open(self, number: int) -> int:
        """Listen on port ``number``, or on a free one for 0, and return its number.

        The port keeps its number until it is closed.

        :raises CannotListenError: if it is in use.
        """
        if self._port is None:
            self._port = self._reactor.listenTCP(number, self._site, interface="127.0.0.1")
        assert self._port is not None
        address: Any = self._port.getHost()
        return int(address.port)

    def stop_accepting(self) -> Deferred[Any]:
        """Stop accepting connections; running requests may finish.

        Return a Deferred that fires when the port is free.
        """
        port, self._port = self._port, None
        return maybeDeferred(lambda: None if port is None else port.stopListening())

    def close(self) -> Deferred[Any]:
        """Stop accepting connections, and close the open ones.

        Return a Deferred that fires when all are closed and the port is free.
        """
        shut = self.stop_accepting()
        return DeferredList([shut, self._site.close_all()])
