"""The connections that wait for another request."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress, IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from antigravity.transport.http1.connection import ClientConnection


class _ConnectionFactory(Factory):
    """The factory of one connection."""

    noisy = False

    def __init__(self, pool: ConnectionPool, key: Hashable) -> None:
        self._pool = pool
        self._key = key

    def buildProtocol(self, addr: IAddress | None) -> ClientConnection:
        """Return the protocol."""
        pool = self._pool
        return ClientConnection(self._key, pool.put, pool.remove)


class ConnectionPool:
    """Idle connections by what they lead to.

    The connection that was used last is taken first, so that those that are not needed grow old.

    :param most: idle connections for one key.
    :param timeout: seconds after which an idle connection is closed.
    """

    def __init__(self, reactor: Any, *, persistent: bool, most: int, timeout: float) -> None:
        self.persistent = persistent
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._most = most
        self._timeout = timeout
        self._idle: dict[Hashable, list[ClientConnection]] = {}
        self._timer: IDelayedCall | None = None
        self._is_closed = False

    def take(self, key: Hashable) -> ClientConnection | None:
        """Return an idle connection, or ``None``."""
        connections = self._idle.get(key)
        while connections:
            connection = connections.pop()
            if not connections:
                del self._idle[key]
            if connection.is_usable:
                return connection
        return None

    def connect(self, key: Hashable, endpoint: IStreamClientEndpoint) -> Deferred[ClientConnection]:
        """Return a Deferred that fires with a new connection."""
        connecting: Any = endpoint.connect(_ConnectionFactory(self, key))
        result: Deferred[ClientConnection] = connecting
        return result

    def put(self, connection: ClientConnection) -> None:
        """Keep ``connection`` for another request."""
        if not self.persistent or self._is_closed:
            connection.close_soon()
            return
        connection.idle_since = self._seconds()
        connections = self._idle.setdefault(connection.key, [])
        connections.append(connection)
        if len(connections) > self._most:
            connections.pop(0).close_soon()
        if self._timer is None:
            self._timer = self._reactor.callLater(self._timeout, self._close_old)

    def remove(self, connection: ClientConnection) -> None:
        """Forget ``connection``, which is lost."""
        connections = self._idle.get(connection.key)
        if connections and connection in connections:
            connections.remove(connection)
            if not connections:
                del self._idle[connection.key]

    def _close_old(self) -> None:
        """Close the connections that have been idle for too long; come again for the next."""
        self._timer = None
        now = self._seconds()
        oldest = now
        for key, connections in tuple(self._idle.items()):
            while connections and now - connections[0].idle_since >= self._timeout:
                connections.pop(0).close_soon()
            if connections:
                oldest = min(oldest, connections[0].idle_since)
            else:
                del self._idle[key]
        if self._idle:
            remaining = oldest + self._timeout - now
            self._timer = self._reactor.callLater(remaining, self._close_old)

    def close(self) -> Deferred[None]:
        """Close all idle connections; return a Deferred that fires when they are lost."""
        self._is_closed = True
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        idle, self._idle = self._idle, {}
        closing = [connection.close() for each in idle.values() for connection in each]
        return DeferredList(closing).addCallback(lambda _: None)
