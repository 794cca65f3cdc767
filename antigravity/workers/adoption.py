"""Listening on sockets that another process has bound.

All workers accept from one queue.  Each takes one connection in a turn of its event loop, so that
one that has more to do takes fewer; see also ``balance.py``.  A socket for each worker
(``SO_REUSEPORT``) would spread connections by a hash, whatever the workers do, and those that wait
in the queue of a worker that ends would be reset.
"""

# ruff: noqa: N802, N803, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

#: Whether another worker should accept the next connection.
IsAhead = Callable[[], bool]
#: Seconds for which a connection is left to the others, and how often.
_PAUSE: Final = 0.003
_MOST_PAUSES: Final = 5


class InheritedSocket:
    """A reactor for one endpoint, which then listens on an inherited socket.

    Twisted's endpoints call one of its methods with what they know, such as the certificate.

    :param descriptor: the socket, which is duplicated.
    :param is_ahead: whether another worker should accept the next connection.
    """

    def __init__(self, reactor: Any, descriptor: int, is_ahead: IsAhead) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._is_ahead = is_ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen on the socket."""
        return self._adopt(factory, backlog)

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen on the socket, with TLS."""
        return self._adopt(TLSMemoryBIOFactory(contextFactory, False, factory), backlog)

    def listenUNIX(
        self, address: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> IListeningPort:
        """Listen on the socket."""
        return self._adopt(factory, backlog)

    def _adopt(self, factory: Any, backlog: int) -> IListeningPort:
        return adopt_port(self._reactor, self._descriptor, factory, backlog, self._is_ahead)


@implementer(IStreamServerEndpoint)
class InheritedEndpoint:
    """An endpoint that is an inherited socket.

    :param descriptor: the socket, which is duplicated.
    """

    def __init__(self, reactor: Any, descriptor: int, backlog: int, is_ahead: IsAhead) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._backlog = backlog
        self._is_ahead = is_ahead

    def listen(self, factory: Any) -> Deferred[IListeningPort]:
        """Return a Deferred with the port."""
        found = adopt_port(self._reactor, self._descriptor, factory, self._backlog, self._is_ahead)
        return succeed(found)


def adopt_port(
    reactor: Any, descriptor: int, factory: Any, backlog: int, is_ahead: IsAhead
) -> IListeningPort:
    """Return a port that accepts connections from a bound socket, which is duplicated.

    :param backlog: how many connections may wait on a Unix socket; Twisted sets it again.
    """
    bound = socket.socket(fileno=os.dup(descriptor))
    family = bound.family
    bound.close()
    port: Any
    if family == socket.AF_UNIX:
        port = _UnixPort._fromListeningDescriptor(reactor, descriptor, factory)
        port.backlog = backlog
        # A name outside of the file system: Twisted neither changes nor deletes the file.
        port._bindPath = b"\0" + port._bindPath
    else:
        port = _TcpPort._fromListeningDescriptor(reactor, descriptor, family, factory)
    port.is_ahead = is_ahead
    port.startListening()
    return port  # type: ignore[no-any-return]


class _OneAtATime:
    """A port that accepts one connection in a turn; Twisted's accept ever more.

    While another worker should accept the next one, it waits for some milliseconds.
    """

    _shouldShutdown = False
    is_ahead: IsAhead
    _pauses = 0

    @property
    def numberAccepts(self) -> int:
        """How many connections are accepted in a turn."""
        return 1

    @numberAccepts.setter
    def numberAccepts(self, number: int) -> None:
        pass

    def doRead(self) -> None:
        """Accept a connection, or leave it to another worker."""
        port: Any = self
        if self._pauses < _MOST_PAUSES and self.is_ahead():
            self._pauses += 1
            port.stopReading()
            port.reactor.callLater(_PAUSE, self._read_again)
            return
        self._pauses = 0
        super().doRead()  # type: ignore[misc]

    def _read_again(self) -> None:
        port: Any = self
        if port.connected and not port.disconnecting:
            port.startReading()


class _TcpPort(_OneAtATime, tcp.Port):
    """A TCP port that another process has bound."""


class _UnixPort(_OneAtATime, unix.Port):
    """A Unix socket that another process has bound, which also owns its file."""
