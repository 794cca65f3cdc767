"""The port of 127.0.0.1 where cloudflared finds the gateway; it is for nobody else."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort


class TunnelPort:
    """Opens and closes the way in; ``site`` serves who comes."""

    def __init__(self, reactor: Any, site: Any) -> None:
        self._reactor = reactor
        self._site = site
        self._port: IListeningPort | None = None

    def open(self, number: int) -> int:
        """Listen on port ``number``, or on any for 0, and return which one it is.

        It stays the same one until it is closed.

        :raises CannotListenError: if it is in use.
        """
        if self._port is None:
            self._port = self._reactor.listenTCP(number, self._site, interface="127.0.0.1")
        assert self._port is not None
        address: Any = self._port.getHost()
        return int(address.port)

    def shut(self) -> Deferred[Any]:
        """Let nobody in any more; who is in may finish.

        Return a Deferred that fires when the port is free.
        """
        port, self._port = self._port, None
        return maybeDeferred(lambda: None if port is None else port.stopListening())

    def close(self) -> Deferred[Any]:
        """Let nobody in, and cut off who is.

        Return a Deferred that fires when all are gone and the port is free.
        """
        shut = self.shut()
        return DeferredList([shut, self._site.close_all()])
